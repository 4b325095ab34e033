/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on their way from a session to the core and the store, and their
 * acknowledgement after the commit. For the files of ingest/ only.
 */
#ifndef RINGWATCH_INGEST_EVENTS_H
#define RINGWATCH_INGEST_EVENTS_H

#include "collector/ingest/session.h"

/* A batch of a live session. */
void rw_events_take(struct rw_session *session, const Ringwatch__V1__EventBatch *batch);

#endif
