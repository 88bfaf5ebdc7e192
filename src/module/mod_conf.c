/* Stage 1, in Asterisk: res_pgdevstate.conf, read with Asterisk's reader. */
#include "asterisk.h"

#include "asterisk/config.h"
#include "asterisk/logger.h"

#include "mod_conf.h"

#define CONF_FILE "res_pgdevstate.conf"

/* All errors are told at once. */
static int read_section(
	struct ast_config *cfg, const char *section, struct mod_options *out)
{
	struct ast_variable *v;
	char why[200];
	int errors = 0;

	for (v = ast_variable_browse(cfg, section); v; v = v->next) {
		if (options_set(out, section, v->name, v->value, why, sizeof(why)))
			continue;
		ast_log(LOG_ERROR, CONF_FILE " line %d: [%s] %s: %s\n", v->lineno, section,
			v->name, why);
		errors++;
	}
	return errors;
}

bool conf_read(struct mod_options *out)
{
	struct ast_flags flags = {0};
	struct ast_config *cfg = ast_config_load(CONF_FILE, flags);
	const char *section = NULL;
	char why[200];
	int errors = 0;

	if (!cfg || cfg == CONFIG_STATUS_FILEINVALID) {
		ast_log(LOG_ERROR,
			"%s " CONF_FILE
			"; a sample comes with pgdevstate: res_pgdevstate.conf.sample\n",
			cfg ? "Cannot understand" : "Cannot read");
		return false;
	}
	options_begin(out);
	while ((section = ast_category_browse(cfg, section)))
		errors += read_section(cfg, section, out);
	ast_config_destroy(cfg);
	if (errors > 0)
		return false;
	if (!options_end(out, why, sizeof(why))) {
		ast_log(LOG_ERROR, CONF_FILE ": %s\n", why);
		return false;
	}
	if (!options_share(out))
		ast_log(LOG_WARNING, CONF_FILE
			" has no publish_event and no subscribe_event: nothing is shared\n");
	return true;
}
