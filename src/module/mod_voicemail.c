/* Stage 1, in Asterisk: the cluster's counts where no voicemail application is. */
#include "asterisk.h"

#include "asterisk/app.h"
#include "asterisk/astobj2.h"
#include "asterisk/logger.h"
#include "asterisk/module.h"
#include "asterisk/mwi.h"
#include "asterisk/stasis.h"

#include "mod_boxes.h"
#include "mod_mwi.h"
#include "mod_voicemail.h"

#define NAME "res_pgdevstate"

/* The link's thread, and unload when that has ended. */
static bool registered, warned;

/* What Asterisk shows of a mailbox: what phones are told. */
static bool shown(const char *id, struct counts *out)
{
	struct stasis_message *message =
		stasis_cache_get(ast_mwi_state_cache(), ast_mwi_state_type(), id);

	if (!message)
		return false;
	*out = mail_counts(stasis_message_data(message));
	ao2_ref(message, -1);
	return true;
}

/* Whoever names no context means `default`; some mailboxes have none. */
static struct counts counts_of(const char *name)
{
	static const struct counts none;
	char id[LINE_BOX_MAX + sizeof("@default")];
	struct counts counts;

	snprintf(id, sizeof(id), "%s%s", name, strchr(name, '@') ? "" : "@default");
	return shown(id, &counts) || shown(name, &counts) ? counts : none;
}

/* Of all mailboxes of a list. */
static struct counts sum_of(const char *mailboxes)
{
	char name[LINE_BOX_MAX + 1];
	struct counts sum = {0};

	while (boxes_next_name(&mailboxes, name)) {
		struct counts one = counts_of(name);

		sum.urgent += one.urgent;
		sum.fresh += one.fresh;
		sum.old += one.old;
	}
	return sum;
}

static int has_voicemail(const char *mailboxes, const char *folder)
{
	struct counts sum = sum_of(mailboxes);

	return counts_in_folder(&sum, folder) > 0;
}

static int inboxcount2(const char *mailboxes, int *urgent, int *fresh, int *old)
{
	struct counts sum = sum_of(mailboxes);

	if (urgent)
		*urgent = (int)sum.urgent;
	if (fresh)
		*fresh = (int)sum.fresh;
	if (old)
		*old = (int)sum.old;
	return 0;
}

static int inboxcount(const char *mailboxes, int *fresh, int *old)
{
	int urgent;
	int result = inboxcount2(mailboxes, &urgent, fresh, old);

	if (fresh)
		*fresh += urgent;
	return result;
}

static int messagecount(const char *mailbox, const char *folder)
{
	struct counts counts = counts_of(mailbox);

	return (int)counts_in_folder(&counts, folder);
}

static const struct ast_vm_functions provider = {
	.module_version = VM_MODULE_VERSION,
	.module_name = NAME,
	.has_voicemail = has_voicemail,
	.inboxcount = inboxcount,
	.inboxcount2 = inboxcount2,
	.messagecount = messagecount,
};

static void begin(void)
{
	if (!ast_vm_is_registered() && ast_vm_register(&provider) == 0) {
		registered = true;
		return;
	}
	if (!warned)
		ast_log(LOG_WARNING,
			"voicemail_provider=yes in res_pgdevstate.conf has no effect: a voicemail "
			"application is loaded, and answers with this server's own counts\n");
	warned = true;
}

void voicemail_answer(bool wanted)
{
	if (wanted && !registered)
		begin();
	if (wanted)
		return;
	if (registered)
		ast_vm_unregister(NAME);
	registered = warned = false;
}
