#!/usr/bin/env bash
# font.sh PSF: the glyphs of ASCII's printable characters, as C.
# The font is GNU Unifont by Roman Czyborra, Paul Hardy and others, out of the Debian package
# psf-unifont: GPL-2+, as we are.
set -euo pipefail
psf=$1
[ -r "$psf" ] || {
	echo "font.sh: $psf is not there: install psf-unifont" >&2
	exit 1
}
# A PSF 1 file: two magic bytes, mode, bytes of a glyph (a byte a row); the glyphs.
[ "$(zcat "$psf" | od -An -tx1 -N4 | cut -d' ' -f2,3,5)" = "36 04 10" ] || {
	echo "font.sh: $psf is no PSF 1 font of 8x16 pixels" >&2
	exit 1
}
cat <<'END'
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GNU Unifont; font.sh has made this. */
#include "hypervisor/core/font.h"

const uint8_t font[FONT_LAST - FONT_FIRST + 1][FONT_HEIGHT] = {
END
zcat "$psf" | od -An -v -tu1 -w16 -j$((4 + 32 * 16)) -N$(((126 - 32 + 1) * 16)) |
	sed -E 's/^ +/	{ /; s/([0-9]) +/\1, /g; s/$/ },/'
echo '};'
