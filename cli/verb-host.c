// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill host status, screen, confirm: this computer and what runs on it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "host/facts.h"
#include "host/health.h"
#include "host/screen.h"

#define LOOK_MS     2000
#define HOME_CLEAR  "\033[H\033[2J"
#define LEAVE_KEY   'q'
#define STATUS_COLS 200
#define STATUS_ROWS 200

static int look(const struct state *state, const char *boot_env, json_t **ret, struct error *err)
{
	struct host_root root;
	int r = host_root_open(&root, err);

	if (r < 0)
		return r;
	r = host_facts(&root, state, boot_env, ret, err);
	close(root.dirfd);
	return r;
}

static int status(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	cleanup_free char *text = NULL;
	json_t *facts = NULL;
	int r = state_open(&state, err);

	if (r == 0)
		r = look(state, cli_text(call, "boot-env", NULL), &facts, err);
	if (r < 0)
		return r;
	if (cli_given(call, "json")) {
		r = cli_print_json(facts, err);
	} else {
		r = screen_draw(facts, NULL, STATUS_COLS, STATUS_ROWS, &text, err);
		/* The lines about keys are for the screen. */
		if (r == 0 && strstr(text, "\n\n1-9 "))
			strstr(text, "\n\n1-9 ")[1] = '\0';
		if (r == 0)
			fputs(text, stdout);
	}
	json_decref(facts);
	return r;
}

const struct cli_verb verb_host_status = {
	.name = "host status",
	.group = CLI_HOST,
	.summary = "Show this computer: what it runs on, its room, its machines",
	.description = "Show what machines run on here (*Sill's hypervisor*, *stock KVM*, or "
		       "*emulation*, with "
		       "the reason), which version of the Sill PC has been started, addresses, "
		       "memory, room "
		       "for data, and all machines with what part of their disks is near.",
	.options = { { .name = "boot-env",
	               .type = CLI_FILE,
	               .value = "FILE",
	               .help = "The boot menu's environment block, when it can be read" },
	             OPTION_JSON },
	.examples = { { "sill host status", "One look" },
	              { "sill host status --json | jq -r .beneath.kind",
	                "sill, kvm or emulation" } },
	.run = status,
};

struct terminal {
	struct termios before;
	bool raw;
};

static void take_terminal(struct terminal *terminal)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal->before) < 0)
		return;
	raw = terminal->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	terminal->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void return_terminal(struct terminal *terminal)
{
	if (terminal->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
	terminal->raw = false;
}

/* A program takes the terminal over, and gives it back when it ends. */
static void run_in(struct terminal *terminal, char *const argv[])
{
	pid_t child;

	return_terminal(terminal);
	fputs(HOME_CLEAR, stdout);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	take_terminal(terminal);
}

/* False: leave the screen. */
static bool obey(struct terminal *terminal, const json_t *facts, const char *shell, char key,
                 char *note, size_t room)
{
	const char *machine = screen_machine(facts, key);

	note[0] = '\0';
	if (machine) {
		/* execvp() takes what it does not change as if it could. */
		char *argv[] = { (char *)"sill", (char *)"console", (char *)machine, NULL };

		run_in(terminal, argv);
	} else if (key == 's') {
		char *own[] = { (char *)shell, NULL };
		char *login[] = { (char *)"login", (char *)"root", NULL };

		run_in(terminal, shell ? own : login);
	} else if (key >= '1' && key <= '9') {
		snprintf(note, room, "There is no machine %c.", key);
	}
	return key != LEAVE_KEY;
}

static int draw(const json_t *facts, const char *note, struct error *err)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	cleanup_free char *text = NULL;
	int r;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	/* A serial line knows no size. */
	r = screen_draw(facts, *note ? note : NULL, size.ws_col ? size.ws_col : 80,
	                size.ws_row ? size.ws_row : 24, &text, err);
	if (r < 0)
		return r;
	text[strlen(text) - 1] = '\0';
	printf("%s%s", HOME_CLEAR, text);
	fflush(stdout);
	return 0;
}

static int screen(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	struct terminal terminal = { .raw = false };
	json_t *facts = NULL;
	char note[80] = "", key;
	int r;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cli_usage(err, "this is for a terminal; sill host status prints it once");
	r = state_open(&state, err);
	if (r < 0)
		return r;
	take_terminal(&terminal);
	for (bool on = true; on && r == 0;) {
		json_decref(facts);
		facts = NULL;
		r = look(state, cli_text(call, "boot-env", NULL), &facts, err);
		if (r == 0)
			r = draw(facts, note, err);
		if (r == 0 && poll(&keys, 1, LOOK_MS) > 0)
			on = read(STDIN_FILENO, &key, 1) == 1 &&
			     obey(&terminal, facts, cli_text(call, "shell", NULL), key, note,
			          sizeof(note));
	}
	return_terminal(&terminal);
	putchar('\n');
	json_decref(facts);
	return r;
}

const struct cli_verb verb_host_screen = {
	.name = "host screen",
	.group = CLI_HOST,
	.summary = "Keep this computer's state on the terminal",
	.description =
		"Show what *sill host status* shows, again every two seconds. The keys *1* to *9* "
		"lead "
		"to the consoles of machines, where Ctrl-] leads back; *s* leads to a shell that "
		"asks "
		"for its password; *q* ends it. A Sill PC has this on its screen and on its first "
		"serial port.",
	.options = { { .name = "boot-env",
	               .type = CLI_FILE,
	               .value = "FILE",
	               .help = "The boot menu's environment block, when it can be read" },
	             { .name = "shell",
	               .type = CLI_FILE,
	               .value = "PROGRAM",
	               .help = "What the key s runs; login unless said" } },
	.examples = { { "sill host screen", "Watch this computer" } },
	.run = screen,
};

static int confirm(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	struct host_root root = { .dirfd = -1 };
	int r = state_open(&state, err);

	if (r == 0)
		r = host_root_open(&root, err);
	if (r < 0)
		return r;
	r = host_confirm(&root, state, call->arguments[0], err);
	close(root.dirfd);
	return r;
}

const struct cli_verb verb_host_confirm = {
	.name = "host confirm",
	.group = CLI_HOST,
	.summary = "Tell the boot menu of a Sill PC that this start was good",
	.description =
		"See whether this start of a Sill PC was good: the hypervisor is beneath and its "
		"module "
		"loaded, unless the boot menu was told to do without or the processor has no "
		"AMD-V; and "
		"the data partition can be written. Then the boot menu is told so; otherwise it "
		"counts, and after two starts that were not confirmed it takes the previous "
		"version. "
		"The Sill PC does this by itself.",
	.arguments = { { .name = "FILE",
	                 .type = CLI_FILE,
	                 .help = "The boot menu's environment block" } },
	.examples = { { "sill host confirm /run/sill/efi/sill/grubenv", "This start was good" } },
	.run = confirm,
};
