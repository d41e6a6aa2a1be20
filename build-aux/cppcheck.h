/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cppcheck must know of the loops that jansson's headers define; see lint.sh. */
#define json_object_foreach(object, key, value) for (key = "", value = object; value;)
#define json_array_foreach(array, index, value) for (index = 0, value = array; value;)
