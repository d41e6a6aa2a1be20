/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Annotations with a meaning that all tools share.  OCI image specification 1.1, "Pre-Defined
 * Annotation Keys".
 */
#ifndef LIBRARY_ANNOTATIONS_H
#define LIBRARY_ANNOTATIONS_H

#define OCI_TITLE       "org.opencontainers.image.title"
#define OCI_DESCRIPTION "org.opencontainers.image.description"
#define OCI_VERSION     "org.opencontainers.image.version"
#define OCI_CREATED     "org.opencontainers.image.created" /* RFC 3339 */
#define OCI_VENDOR      "org.opencontainers.image.vendor"
#define OCI_LICENCES    "org.opencontainers.image.licenses"
#define OCI_SOURCE      "org.opencontainers.image.source"

#endif
