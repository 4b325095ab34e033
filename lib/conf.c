/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict YAML; conf.h says what is promised. A file is read in two passes over
 * one buffer: the first over libyaml's events, because the document API no
 * longer shows anchors, tags and directives; the second loads the document,
 * whose nodes know their lines, and fills the struct by the table of keys.
 * libyaml resolves no types here: each scalar is read as its key says.
 */
#include "lib/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/name.h"
#include "lib/text.h"
#include "lib/units.h"

enum {
	FILE_MAX = 1 << 20,
	DEPTH_MAX = 8,      /* of nested maps and lists */
	KEYS_MAX = 64,      /* of one table */
	TRAIL_BYTES = 256,  /* "rings[1].limits.offline" */
	VALUE_BYTES = 80,   /* of a wrong value shown in a message */
	EXPECT_BYTES = 320, /* "a whole number from 1 to 10" */
};

struct loader {
	const char *path;
	char *bytes;
	size_t length;
	yaml_document_t document;
	bool loaded;
	char *error; /* of RW_CONF_ERROR_BYTES */
};

/* ---- messages -------------------------------------------------------------- */

/* `line` counts from 0, as libyaml's do. */
__attribute__((format(printf, 4, 5))) static int refuse(const struct loader *loader, size_t line,
							const char *key, const char *fmt, ...)
{
	va_list args;
	int n = snprintf(loader->error, RW_CONF_ERROR_BYTES, "%s:%zu: %s: ", loader->path, line + 1,
			 key);

	if (n > 0 && n < RW_CONF_ERROR_BYTES) {
		va_start(args, fmt);
		vsnprintf(loader->error + n, RW_CONF_ERROR_BYTES - (size_t)n, fmt, args);
		va_end(args);
	}
	return -EINVAL;
}

struct shown {
	char text[VALUE_BYTES];
};

/* A value from the file as it may stand in a message. */
static struct shown show(const yaml_node_t *node)
{
	struct shown shown;

	switch (node->type) {
	case YAML_SCALAR_NODE: {
		if (node->data.scalar.length == 0) {
			snprintf(shown.text, sizeof(shown.text), "empty");
			break;
		}
		/* Double quotes when the file has some: `"7"` is a text, not a number. */
		char quote = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? '\'' : '"';
		shown.text[0] = quote;
		size_t n = rw_text_escape(shown.text + 1, sizeof(shown.text) - 2,
					  (const char *)node->data.scalar.value,
					  node->data.scalar.length);
		shown.text[n + 1] = quote;
		shown.text[n + 2] = '\0';
		break;
	}
	case YAML_SEQUENCE_NODE:
		snprintf(shown.text, sizeof(shown.text), "a list");
		break;
	default:
		snprintf(shown.text, sizeof(shown.text), "a map of keys");
		break;
	}
	return shown;
}

struct trail {
	char text[TRAIL_BYTES];
};

static struct trail trail_key(const struct trail *parent, const char *name)
{
	struct trail trail;
	char escaped[VALUE_BYTES];

	rw_text_escape(escaped, sizeof(escaped), name, strlen(name));
	const char *shown = escaped[0] == '\0' ? "''" : escaped;
	/* A trail too long to fit is cut: it is only shown. */
	snprintf(trail.text, sizeof(trail.text), "%.*s%s%s", TRAIL_BYTES - VALUE_BYTES - 2,
		 parent->text, parent->text[0] == '\0' ? "" : ".", shown);
	return trail;
}

static struct trail trail_index(const struct trail *parent, size_t index)
{
	struct trail trail;

	snprintf(trail.text, sizeof(trail.text), "%.*s[%zu]", TRAIL_BYTES - 32, parent->text,
		 index);
	return trail;
}

/* ---- what a key expects, in words ------------------------------------------ */

struct amount {
	char text[32];
};

static struct amount show_in_units(uint64_t value, const char *const *units,
				   const uint64_t *factors, size_t count)
{
	struct amount amount;
	size_t i = count - 1;

	while (i > 0 && (value == 0 || value % factors[i] != 0))
		i--;
	snprintf(amount.text, sizeof(amount.text), "%" PRIu64 "%s", value / factors[i], units[i]);
	return amount;
}

static struct amount show_amount(const struct rw_conf_key *key, uint64_t value)
{
	static const char *const times[] = {"ms", "s", "m", "h", "d"};
	static const uint64_t times_ms[] = {1, 1000, 60000, 3600000, 86400000};
	static const char *const sizes[] = {"B", "KiB", "MiB", "GiB"};
	static const uint64_t sizes_bytes[] = {1, 1u << 10, 1u << 20, 1u << 30};
	struct amount amount;

	switch (key->type) {
	case RW_CONF_DURATION:
		return show_in_units(value, times, times_ms, 5);
	case RW_CONF_BYTES:
		return show_in_units(value, sizes, sizes_bytes, 4);
	case RW_CONF_RATIO:
		if (value % 10000 == 0)
			snprintf(amount.text, sizeof(amount.text), "%" PRIu64 "%%", value / 10000);
		else
			snprintf(amount.text, sizeof(amount.text), "%" PRIu64 ".%04" PRIu64 "%%",
				 value / 10000, value % 10000);
		return amount;
	default:
		snprintf(amount.text, sizeof(amount.text), "%" PRIu64, value);
		return amount;
	}
}

/* " from 1s to 10m", " of at least 1", or nothing when the table sets no bound. */
static void describe_range(const struct rw_conf_key *key, char *out, size_t size)
{
	bool no_upper = key->max == 0 || key->max == UINT64_MAX;

	if (no_upper && key->min == 0)
		out[0] = '\0';
	else if (no_upper)
		snprintf(out, size, " of at least %s", show_amount(key, key->min).text);
	else
		snprintf(out, size, " from %s to %s", show_amount(key, key->min).text,
			 show_amount(key, key->max).text);
}

static void describe_choices(const struct rw_conf_key *key, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "one of ");

	for (size_t i = 0; key->choices[i] != NULL && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ",
					 key->choices[i]);
}

struct expectation {
	char text[EXPECT_BYTES];
};

static struct expectation expected(const struct rw_conf_key *key)
{
	struct expectation e;
	char range[80];
	char what[EXPECT_BYTES - 16];

	describe_range(key, range, sizeof(range));
	switch (key->type) {
	case RW_CONF_NAME:
		snprintf(what, sizeof(what), "a name: " RW_NAME_EXPECTED);
		break;
	case RW_CONF_STRING:
		snprintf(what, sizeof(what), "one line of text of at most %zu bytes",
			 key->size - 1);
		break;
	case RW_CONF_PATH:
		snprintf(what, sizeof(what), "a path of at most %zu bytes", key->size - 1);
		break;
	case RW_CONF_ADDRESS:
		snprintf(what, sizeof(what), "an address such as 127.0.0.1:8471 or [::1]:8471");
		break;
	case RW_CONF_UINT:
		snprintf(what, sizeof(what), "a whole number%s", range);
		break;
	case RW_CONF_BOOL:
		snprintf(what, sizeof(what), "true or false");
		break;
	case RW_CONF_DURATION:
		snprintf(what, sizeof(what), "a duration%s",
			 range[0] == '\0' ? " such as 30s or 48h" : range);
		break;
	case RW_CONF_BYTES:
		snprintf(what, sizeof(what), "a size%s",
			 range[0] == '\0' ? " such as 64KiB" : range);
		break;
	case RW_CONF_RATIO:
		snprintf(what, sizeof(what), "a share%s",
			 range[0] == '\0' ? " such as 0.1%" : range);
		break;
	case RW_CONF_ENUM:
		describe_choices(key, what, sizeof(what));
		break;
	case RW_CONF_MAP:
		snprintf(what, sizeof(what), "a map of keys");
		break;
	case RW_CONF_LIST:
		snprintf(what, sizeof(what), "a list of %" PRIu32 " to %" PRIu32, key->count_min,
			 key->count_max);
		break;
	}
	snprintf(e.text, sizeof(e.text), "%s%s", what, key->none_allowed ? ", or none" : "");
	return e;
}

/* ---- reading YAML ---------------------------------------------------------- */

static int refuse_yaml(const struct loader *loader, size_t line, const char *what)
{
	snprintf(loader->error, RW_CONF_ERROR_BYTES, "%s:%zu: yaml: %s", loader->path, line + 1,
		 what);
	return -EINVAL;
}

static int refuse_parser(const struct loader *loader, const yaml_parser_t *parser)
{
	char what[200];

	if (parser->error == YAML_MEMORY_ERROR) {
		snprintf(loader->error, RW_CONF_ERROR_BYTES, "%s: out of memory", loader->path);
		return -ENOMEM;
	}
	if (parser->error == YAML_READER_ERROR) {
		size_t line = 0;
		for (size_t i = 0; i < parser->problem_offset && i < loader->length; i++)
			line += loader->bytes[i] == '\n';
		snprintf(what, sizeof(what), "%s, expected UTF-8 text",
			 parser->problem == NULL ? "bad bytes" : parser->problem);
		return refuse_yaml(loader, line, what);
	}
	snprintf(what, sizeof(what), "%s%s%s",
		 parser->problem == NULL ? "not YAML" : parser->problem,
		 parser->context == NULL ? "" : ", ",
		 parser->context == NULL ? "" : parser->context);
	return refuse_yaml(loader, parser->problem_mark.line, what);
}

/* What an event brings that this configuration never holds; NULL when nothing. */
static const char *forbidden_in(const yaml_event_t *event, int documents)
{
	static const char tags[] = "tags (!…) are not allowed";
	static const char anchors[] = "anchors (&…) are not allowed";

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return "aliases (*…) are not allowed";
	case YAML_DOCUMENT_START_EVENT:
		if (documents > 0)
			return "a second document is not allowed";
		if (event->data.document_start.version_directive != NULL ||
		    event->data.document_start.tag_directives.start !=
			    event->data.document_start.tag_directives.end)
			return "directives (%…) are not allowed";
		return NULL;
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor != NULL ? anchors
		       : event->data.scalar.tag != NULL  ? tags
							 : NULL;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor != NULL ? anchors
		       : event->data.sequence_start.tag != NULL  ? tags
								 : NULL;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor != NULL ? anchors
		       : event->data.mapping_start.tag != NULL  ? tags
								: NULL;
	default:
		return NULL;
	}
}

/* The first pass. Returns with the whole stream known to be one plain document. */
static int refuse_forbidden(const struct loader *loader, yaml_parser_t *parser)
{
	int documents = 0;
	int depth = 0;

	for (;;) {
		yaml_event_t event;
		if (!yaml_parser_parse(parser, &event))
			return refuse_parser(loader, parser);
		yaml_event_type_t type = event.type;
		size_t line = event.start_mark.line;
		const char *forbidden = forbidden_in(&event, documents);
		yaml_event_delete(&event);
		if (forbidden != NULL)
			return refuse_yaml(loader, line, forbidden);
		documents += type == YAML_DOCUMENT_START_EVENT;
		depth += type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
		depth -= type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
		if (depth > DEPTH_MAX)
			return refuse_yaml(loader, line, "nested too deeply");
		if (type == YAML_STREAM_END_EVENT)
			return 0;
	}
}

typedef int pass_fn(struct loader *loader, yaml_parser_t *parser);

static int pass_events(struct loader *loader, yaml_parser_t *parser)
{
	return refuse_forbidden(loader, parser);
}

static int pass_document(struct loader *loader, yaml_parser_t *parser)
{
	if (!yaml_parser_load(parser, &loader->document))
		return refuse_parser(loader, parser);
	loader->loaded = true;
	return 0;
}

static int run_pass(struct loader *loader, pass_fn *pass)
{
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser)) {
		snprintf(loader->error, RW_CONF_ERROR_BYTES, "%s: out of memory", loader->path);
		return -ENOMEM;
	}
	/* Without this a byte order mark could turn the file into UTF-16. */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)loader->bytes, loader->length);
	int err = pass(loader, &parser);
	yaml_parser_delete(&parser);
	return err;
}

static int loader_open(struct loader *loader, const char *path, char *error)
{
	*loader = (struct loader){.path = path, .error = error};
	int err = rw_file_read(path, FILE_MAX, &loader->bytes, &loader->length);

	if (err == -EFBIG) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%s: larger than 1 MiB", path);
		return err;
	}
	if (err != 0) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%s: cannot be read: %s", path,
			 strerror(-err));
		return err;
	}
	err = run_pass(loader, pass_events);
	return err != 0 ? err : run_pass(loader, pass_document);
}

static void loader_close(struct loader *loader)
{
	if (loader->loaded)
		yaml_document_delete(&loader->document);
	free(loader->bytes);
}

/* ---- scalars --------------------------------------------------------------- */

static bool scalar_is_plain(const yaml_node_t *node)
{
	return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static const char *scalar_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool node_is_none(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && scalar_is_plain(node) &&
	       strcmp(scalar_text(node), "none") == 0;
}

/* UTF-8 on one line: a control character in a path or address is never meant. */
static bool is_one_line(const char *text, size_t length)
{
	if (!rw_text_is_clean(text, length))
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

static bool address_is_valid(const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	if (colon == NULL || colon == text || rw_units_parse_uint(colon + 1, &port) != 0 ||
	    port > 65535)
		return false;
	size_t host = (size_t)(colon - text);
	if (text[0] == '[')
		return host >= 4 && text[host - 1] == ']' &&
		       strspn(text + 1, "0123456789abcdefABCDEF:.") == host - 2;
	for (size_t i = 0; i < host; i++) {
		char c = text[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-' || c == '_'))
			return false;
	}
	return true;
}

/* A relative path is taken from the folder in which the file lies. */
static bool join_path(const char *file, const char *text, char *out, size_t size)
{
	const char *slash = strrchr(file, '/');
	int folder = text[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - file);
	int n = snprintf(out, size, "%.*s%s", folder, file, text);

	return n > 0 && (size_t)n < size;
}

static bool read_text(const struct loader *loader, const struct rw_conf_key *key,
		      const yaml_node_t *node, char *out)
{
	const char *text = scalar_text(node);
	size_t length = node->data.scalar.length;

	if (length == 0 || length >= key->size || !is_one_line(text, length))
		return false;
	switch (key->type) {
	case RW_CONF_NAME:
		if (!rw_name_is_valid(text, length))
			return false;
		break;
	case RW_CONF_ADDRESS:
		if (!address_is_valid(text))
			return false;
		break;
	case RW_CONF_PATH:
		return join_path(loader->path, text, out, key->size);
	default:
		break;
	}
	memcpy(out, text, length + 1);
	return true;
}

/* Whether a number was written as its type wants it; its range is checked by the caller. */
static bool parse_number(const struct rw_conf_key *key, const char *text, uint64_t *out)
{
	uint32_t ppm;

	switch (key->type) {
	case RW_CONF_UINT:
		return rw_units_parse_uint(text, out) == 0;
	case RW_CONF_DURATION:
		return rw_units_parse_duration(text, out) == 0;
	case RW_CONF_BYTES:
		return rw_units_parse_bytes(text, out) == 0;
	case RW_CONF_RATIO:
		if (rw_units_parse_ratio(text, &ppm) != 0)
			return false;
		*out = ppm;
		return true;
	case RW_CONF_BOOL:
		*out = strcmp(text, "true") == 0;
		return *out != 0 || strcmp(text, "false") == 0;
	default:
		for (uint64_t i = 0; key->choices[i] != NULL; i++) {
			if (strcmp(text, key->choices[i]) == 0) {
				*out = i;
				return true;
			}
		}
		return false;
	}
}

static bool read_number(const struct rw_conf_key *key, const yaml_node_t *node, char *out)
{
	uint64_t value;

	/* A quoted number is a text; a NUL inside would hide what follows it. */
	if (!scalar_is_plain(node) || strlen(scalar_text(node)) != node->data.scalar.length ||
	    !parse_number(key, scalar_text(node), &value))
		return false;
	if (key->type == RW_CONF_BOOL) {
		bool truth = value != 0;
		memcpy(out, &truth, sizeof(truth));
		return true;
	}
	if (key->type == RW_CONF_ENUM) {
		uint32_t index = (uint32_t)value;
		memcpy(out, &index, sizeof(index));
		return true;
	}
	if (value < key->min || (key->max != 0 && value > key->max))
		return false;
	if (key->type == RW_CONF_RATIO) {
		uint32_t ppm = (uint32_t)value;
		memcpy(out, &ppm, sizeof(ppm));
	} else {
		memcpy(out, &value, sizeof(value));
	}
	return true;
}

/* ---- maps and lists -------------------------------------------------------- */

static int read_value(struct loader *loader, const struct rw_conf_key *key, const yaml_node_t *node,
		      size_t line, const struct trail *trail, char *out);

static yaml_node_t *node_at(struct loader *loader, int index)
{
	return yaml_document_get_node(&loader->document, index);
}

static bool key_is(const yaml_node_t *node, const char *name)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == strlen(name) &&
	       memcmp(node->data.scalar.value, name, strlen(name)) == 0;
}

static int refuse_unknown(struct loader *loader, const struct rw_conf_key *keys, size_t line,
			  const struct trail *trail)
{
	char known[EXPECT_BYTES];
	size_t used = 0;

	known[0] = '\0';
	for (size_t i = 0; keys[i].name != NULL && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
					 i == 0 ? "" : ", ", keys[i].name);
	return refuse(loader, line, trail->text, "unknown key, expected one of %s", known);
}

/* Fills `base` from one pair of a map; `lines` holds, for each key of the
 * table, the line on which it was seen + 1. */
static int read_pair(struct loader *loader, const struct rw_conf_key *keys,
		     const yaml_node_pair_t *pair, const struct trail *parent,
		     size_t lines[KEYS_MAX], char *base)
{
	const yaml_node_t *name = node_at(loader, pair->key);
	const yaml_node_t *value = node_at(loader, pair->value);
	size_t line = name->start_mark.line;
	size_t i = 0;

	if (name->type != YAML_SCALAR_NODE)
		return refuse(loader, line, parent->text[0] == '\0' ? "yaml" : parent->text,
			      "a key is %s, expected a word", show(name).text);
	struct trail trail = trail_key(parent, scalar_text(name));
	while (keys[i].name != NULL && !key_is(name, keys[i].name))
		i++;
	if (keys[i].name == NULL)
		return refuse_unknown(loader, keys, line, &trail);
	if (lines[i] != 0)
		return refuse(loader, line, trail.text, "given twice, first on line %zu", lines[i]);
	lines[i] = line + 1;

	bool is_none = node_is_none(value);
	if (is_none && !keys[i].none_allowed)
		return refuse(loader, line, trail.text, "none is not allowed here, expected %s",
			      expected(&keys[i]).text);
	if (keys[i].present_offset != 0) {
		bool present = !is_none;
		memcpy(base + keys[i].present_offset, &present, sizeof(present));
	}
	if (is_none)
		return 0;
	return read_value(loader, &keys[i], value, line, &trail, base + keys[i].offset);
}

static int refuse_missing(struct loader *loader, const struct rw_conf_key *key, size_t line,
			  const struct trail *parent)
{
	struct trail trail = trail_key(parent, key->name);
	return refuse(loader, line, trail.text, "missing, expected %s", expected(key).text);
}

/* `first` pairs have been read by the caller already. */
static int read_map(struct loader *loader, const struct rw_conf_key *keys, const yaml_node_t *node,
		    size_t first, size_t line, const struct trail *trail, char *base)
{
	size_t lines[KEYS_MAX] = {0};

	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start + first;
	     pair < node->data.mapping.pairs.top; pair++) {
		int err = read_pair(loader, keys, pair, trail, lines, base);
		if (err != 0)
			return err;
	}
	for (size_t i = 0; keys[i].name != NULL; i++)
		if (lines[i] == 0)
			return refuse_missing(loader, &keys[i], line, trail);
	return 0;
}

static int read_list(struct loader *loader, const struct rw_conf_key *key, const yaml_node_t *node,
		     size_t line, const struct trail *trail, char *out, uint32_t *count)
{
	const yaml_node_item_t *items = node->data.sequence.items.start;
	size_t length = (size_t)(node->data.sequence.items.top - items);

	if (length < key->count_min || length > key->count_max)
		return refuse(loader, line, trail->text, "holds %zu, expected %s", length,
			      expected(key).text);
	for (size_t i = 0; i < length; i++) {
		const yaml_node_t *item = node_at(loader, items[i]);
		struct trail element = trail_index(trail, i);
		int err;
		if (node_is_none(item))
			err = refuse(loader, item->start_mark.line, element.text,
				     "none is not allowed here, expected %s",
				     expected(key->element).text);
		else
			err = read_value(loader, key->element, item, item->start_mark.line,
					 &element, out + i * key->size);
		if (err != 0)
			return err;
	}
	*count = (uint32_t)length;
	return 0;
}

static int refuse_value(struct loader *loader, const struct rw_conf_key *key,
			const yaml_node_t *node, size_t line, const struct trail *trail)
{
	return refuse(loader, line, trail->text, "is %s, expected %s", show(node).text,
		      expected(key).text);
}

static int read_value(struct loader *loader, const struct rw_conf_key *key, const yaml_node_t *node,
		      size_t line, const struct trail *trail, char *out)
{
	bool fits;

	switch (key->type) {
	case RW_CONF_MAP:
		if (node->type != YAML_MAPPING_NODE)
			return refuse_value(loader, key, node, line, trail);
		return read_map(loader, key->children, node, 0, line, trail, out);
	case RW_CONF_LIST: {
		if (node->type != YAML_SEQUENCE_NODE)
			return refuse_value(loader, key, node, line, trail);
		uint32_t count = 0;
		int err = read_list(loader, key, node, line, trail, out, &count);
		/* Both offsets count from the enclosing struct. */
		if (err == 0)
			memcpy(out - key->offset + key->count_offset, &count, sizeof(count));
		return err;
	}
	case RW_CONF_NAME:
	case RW_CONF_STRING:
	case RW_CONF_PATH:
	case RW_CONF_ADDRESS:
		fits = node->type == YAML_SCALAR_NODE && read_text(loader, key, node, out);
		break;
	default:
		fits = node->type == YAML_SCALAR_NODE && read_number(key, node, out);
		break;
	}
	return fits ? 0 : refuse_value(loader, key, node, line, trail);
}

/* ---- the file -------------------------------------------------------------- */

static int check_schema(struct loader *loader, const yaml_node_t *root, uint64_t schema)
{
	uint64_t found;

	if (root == NULL || root->type != YAML_MAPPING_NODE ||
	    root->data.mapping.pairs.start == root->data.mapping.pairs.top)
		return refuse(loader, root == NULL ? 0 : root->start_mark.line, "schema",
			      "missing, expected %" PRIu64 " as the first key", schema);
	const yaml_node_t *name = node_at(loader, root->data.mapping.pairs.start->key);
	const yaml_node_t *value = node_at(loader, root->data.mapping.pairs.start->value);
	size_t line = name->start_mark.line;
	if (!key_is(name, "schema"))
		return refuse(loader, line, "schema",
			      "not the first key, expected `schema: %" PRIu64 "` here", schema);
	if (value->type != YAML_SCALAR_NODE || !scalar_is_plain(value) ||
	    rw_units_parse_uint(scalar_text(value), &found) != 0 || found != schema)
		return refuse(loader, line, "schema", "is %s, expected %" PRIu64, show(value).text,
			      schema);

	for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start + 1;
	     pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *later = node_at(loader, pair->key);
		if (key_is(later, "schema"))
			return refuse(loader, later->start_mark.line, "schema",
				      "given twice, first on line %zu", line + 1);
	}
	return 0;
}

int rw_conf_load(const char *path, uint64_t schema, const struct rw_conf_key *keys, void *out,
		 size_t out_size, char error[RW_CONF_ERROR_BYTES])
{
	static const struct trail top = {""};
	struct loader loader;
	rw_autofree char *filled = calloc(1, out_size);

	if (filled == NULL) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%s: out of memory", path);
		return -ENOMEM;
	}
	int err = loader_open(&loader, path, error);
	if (err == 0) {
		const yaml_node_t *root = yaml_document_get_root_node(&loader.document);
		err = check_schema(&loader, root, schema);
		if (err == 0)
			err = read_map(&loader, keys, root, 1, root->start_mark.line, &top, filled);
	}
	loader_close(&loader);
	if (err == 0)
		memcpy(out, filled, out_size);
	return err;
}

/* One step of a path: `name` or `[3]`. Sets the line of what it found. */
static const yaml_node_t *step_into(struct loader *loader, const yaml_node_t *node,
				    const char *step, size_t length, size_t *line)
{
	if (step[0] == '[' && node->type == YAML_SEQUENCE_NODE) {
		size_t index = 0;
		for (size_t i = 1; i + 1 < length && index < RW_CONF_ERROR_BYTES * 1024; i++)
			index = index * 10 + (size_t)(step[i] - '0');
		const yaml_node_item_t *items = node->data.sequence.items.start;
		if (index >= (size_t)(node->data.sequence.items.top - items))
			return NULL;
		const yaml_node_t *item = node_at(loader, items[index]);
		*line = item->start_mark.line;
		return item;
	}
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = node_at(loader, pair->key);
		if (name->type != YAML_SCALAR_NODE || name->data.scalar.length != length ||
		    memcmp(name->data.scalar.value, step, length) != 0)
			continue;
		*line = name->start_mark.line;
		return node_at(loader, pair->value);
	}
	return NULL;
}

/* Whether all of `key` could be walked. */
static bool find_line(struct loader *loader, const char *key, size_t *line)
{
	const yaml_node_t *node = yaml_document_get_root_node(&loader->document);

	while (*key != '\0' && node != NULL) {
		size_t length = key[0] == '[' ? strcspn(key, "]") + 1 : strcspn(key, ".[");
		if (key[0] == '[' && key[length - 1] == '\0')
			return false;
		node = step_into(loader, node, key, length, line);
		key += length;
		if (*key == '.')
			key++;
	}
	return node != NULL;
}

int rw_conf_complain(const char *path, const char *key, char error[RW_CONF_ERROR_BYTES],
		     const char *fmt, ...)
{
	struct loader loader;
	size_t line = 0;
	bool found = loader_open(&loader, path, error) == 0 && find_line(&loader, key, &line);
	int n = found ? snprintf(error, RW_CONF_ERROR_BYTES, "%s:%zu: %s: ", path, line + 1, key)
		      : snprintf(error, RW_CONF_ERROR_BYTES, "%s: %s: ", path, key);

	loader_close(&loader);
	if (n > 0 && n < RW_CONF_ERROR_BYTES) {
		va_list args;
		va_start(args, fmt);
		vsnprintf(error + n, RW_CONF_ERROR_BYTES - (size_t)n, fmt, args);
		va_end(args);
	}
	return -EINVAL;
}
