// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill key policy: what signatures images must have (docs/trust.md).
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "library/trust-store.h"

struct setting {
	const char *prefix;
	enum trust_policy policy;
};

static int set(struct trust *trust, void *arg, struct error *err)
{
	const struct setting *what = arg;

	return trust_set_policy(trust, what->prefix, what->policy, err);
}

static int change(const char *prefix, const char *word, struct error *err)
{
	struct setting what = { .prefix = prefix };

	while (trust_policies[what.policy] && strcmp(trust_policies[what.policy], word) != 0)
		what.policy++;
	if (!trust_policies[what.policy])
		return cli_usage(err, "'%s' is none of: require, remember, none, default", word);
	return trust_store_change(set, &what, err);
}

static int add_all(json_t *list, const struct trust *trust, bool host, struct error *err)
{
	enum trust_policy policy;
	const char *prefix;
	void *at = NULL;

	while (trust && (at = trust_next_policy(trust, at, &prefix, &policy)) != NULL) {
		if (json_array_append_new(list, json_pack("{ss ss sb}", "prefix", prefix, "policy",
		                                          trust_policies[policy], "host", host)) <
		    0)
			return error_sys(err, ENOMEM, "list of policies");
	}
	return 0;
}

static void print_list(const json_t *list)
{
	const json_t *row = NULL;
	size_t i = 0;

	json_array_foreach (list, i, row)
		printf("%-8s  %s%s\n", json_string_value(json_object_get(row, "policy")),
		       json_string_value(json_object_get(row, "prefix")),
		       json_is_true(json_object_get(row, "host")) ? "  (of this computer)" : "");
}

static int list_all(const struct cli_call *call, const struct trust_store *store, struct error *err)
{
	json_t *list = json_array();
	int r = add_all(list, store->own, false, err);

	if (r == 0)
		r = add_all(list, store->host, true, err);
	if (r == 0 && cli_given(call, "json"))
		r = cli_print_json(list, err);
	else if (r == 0)
		print_list(list);
	json_decref(list);
	return r;
}

/* What holds for one name, and why. */
static int tell(const struct cli_call *call, const struct trust_store *store, struct error *err)
{
	const char *prefix = NULL;
	enum trust_policy policy = trust_store_policy(store, call->arguments[0], &prefix);
	json_t *answer;
	int r = 0;

	if (cli_given(call, "json")) {
		answer = json_pack("{ss ss*}", "policy", trust_policies[policy], "prefix", prefix);
		r = answer ? cli_print_json(answer, err) : error_sys(err, ENOMEM, "policy");
		json_decref(answer);
	} else {
		puts(trust_policies[policy]);
	}
	return r;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(trust_store_close) struct trust_store store = { NULL, NULL };
	int r;

	if (call->n_arguments > 0 && prefix_check(call->arguments[0], err) < 0)
		return cli_usage(err, "%s", err->text);
	if (call->n_arguments > 1)
		return change(call->arguments[0], call->arguments[1], err);
	r = trust_store_open(&store, err);
	if (r < 0)
		return r;
	return call->n_arguments ? tell(call, &store, err) : list_all(call, &store, err);
}

const struct cli_verb verb_key_policy = {
	.name = "key policy",
	.group = CLI_KEYS,
	.summary = "Say what signatures images must have, or show it",
	.description =
		"Without arguments all policies are listed; with PREFIX, the one that holds "
		"for that name. *require*: the image must be signed by a key that is trusted "
		"for its name. *remember*: that, or a person says yes to its key on first use, "
		"and from then on it must be the same. *none*: anything goes, signed or not. "
		"*default* takes a policy away. The longest prefix wins; where there is none, "
		"*remember* holds. A policy of this computer (/etc/sill/trust.json) wins over "
		"a person's.",
	.arguments = { { .name = "PREFIX",
	                 .optional = true,
	                 .type = CLI_TEXT,
	                 .help = "How names begin: a registry, with a path behind it or without, "
	                         "a folder, or 'all'" },
	               { .name = "POLICY",
	                 .optional = true,
	                 .type = CLI_TEXT,
	                 .help = "require, remember, none or default" } },
	.options = { OPTION_JSON },
	.examples = { { "sill key policy all require", "Run only what a trusted key signed" },
	              { "sill key policy localhost:5000 none",
	                "Do not ask about the registry on this computer" } },
	.run = run,
};
