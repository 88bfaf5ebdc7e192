/* Stage 1, in Asterisk: res_pgdevstate.conf, read with Asterisk's reader. */
#ifndef MOD_CONF_H
#define MOD_CONF_H

#include "mod_options.h"

/* False: the log says why, with section and option; *out is not to be used. */
bool conf_read(struct mod_options *out);

#endif
