/*
 * Stage 1, in Asterisk: the cluster's counts for those who ask Asterisk's voicemail
 * application: AMI's MailboxCount and MailboxStatus, VMCOUNT(). Asterisk has one such
 * application at a time, so this is for servers that have none.
 */
#ifndef MOD_VOICEMAIL_H
#define MOD_VOICEMAIL_H

#include <stdbool.h>

/* Begins to answer, where nobody does, or ends that. Called again and again. */
void voicemail_answer(bool wanted);

#endif
