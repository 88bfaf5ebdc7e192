/*
 * Stage 1, in Asterisk: res_pgdevstate.so: shares device states and message counts with
 * other servers, through the pgdevstated of this host.
 *
 *   Asterisk's messages -> mod_export -> mod_link -> the node
 *   the node -> mod_link -> mod_sweep -> mod_import, mod_mwi, mod_announce -> Asterisk
 *
 * Load and unload run with Asterisk's list of modules locked: neither waits for the node.
 */
#include "asterisk.h"

#include "asterisk/ast_version.h"
#include "asterisk/logger.h"
#include "asterisk/module.h"
#include "asterisk/utils.h"

#include "mod_cli.h"
#include "mod_conf.h"
#include "mod_export.h"
#include "mod_import.h"
#include "mod_link.h"
#include "mod_mwi.h"
#include "mod_sweep.h"
#include "mod_tables.h"
#include "mod_tps.h"
#include "mod_version.h"
#include "mod_voicemail.h"

#define PURGE_PACED_MS 3000 /* then unpaced: nobody waits for ever for an unload */

/*
 * Debian's Asterisk 16 and 22 have the same sum of build options, which is all that
 * Asterisk compares, but not the same structures.
 */
static bool is_built_for_this(void)
{
	const char *running = ast_get_version();

	if (version_major(running) == ASTERISK_MAJOR)
		return true;
	ast_log(LOG_ERROR,
		"res_pgdevstate.so was built for Asterisk " ASTERISK_BUILT_FOR ", this is %s: "
		"build it again with this Asterisk's headers (make module)\n",
		running);
	return false;
}

static bool has_entity_id(void)
{
	struct entity_id id;

	memcpy(id.bytes, ast_eid_default.eid, sizeof(id.bytes));
	if (!ast_eid_is_empty(&ast_eid_default))
		return true;
	ast_log(LOG_ERROR,
		"Asterisk has no entity id: set entityid in [options] of asterisk.conf\n");
	return false;
}

static void init(const struct mod_options *options)
{
	tables_init((size_t)options->import_max);
	tps_init();
	sweep_init();
	mail_init();
}

static void clear(void)
{
	tps_clear();
	mail_clear();
	tables_clear();
}

/* Who calls the link ends first, then the link, then what both have shared. */
static void end(void)
{
	export_stop();
	link_stop();
	export_clear();
}

static int load_module(void)
{
	static struct mod_options options;

	if (!is_built_for_this() || !has_entity_id() || !conf_read(&options))
		return AST_MODULE_LOAD_DECLINE;
	init(&options);
	import_recall();
	if (!link_open(&options) || !export_start(link_changed) || !link_start()) {
		end();
		clear();
		return AST_MODULE_LOAD_DECLINE;
	}
	ast_register_atexit(link_goodbye);
	cli_start();
	return AST_MODULE_LOAD_SUCCESS;
}

/* A bad file changes nothing. */
static int reload_module(void)
{
	static struct mod_options options;

	if (!conf_read(&options)) {
		ast_log(LOG_ERROR, "res_pgdevstate goes on with what it had\n");
		return -1;
	}
	link_reload(&options);
	return 0;
}

static int unload_module(void)
{
	cli_stop();
	ast_unregister_atexit(link_goodbye);
	end();
	voicemail_answer(false);
	sweep_purge();
	sweep_all(PURGE_PACED_MS);
	clear();
	return 0;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_LOAD_ORDER,
	"Distributed device states and message counts (pgdevstate)",
	.support_level = AST_MODULE_SUPPORT_EXTENDED,
	.load = load_module,
	.unload = unload_module,
	.reload = reload_module,
	.load_pri = AST_MODPRI_CHANNEL_DEPEND,
);
