/* SPDX-License-Identifier: Apache-2.0 */
/* Every path that the API answers; docs/api.md describes them. */
#include "collector/api/internal.h"

const struct rw_route rw_routes[] = {
	{"GET", "/", RW_ROLE_NONE, rw_get_root, "", NULL},
	{"GET", "/healthz", RW_ROLE_NONE, rw_get_healthz, "", NULL},
	{"GET", "/readyz", RW_ROLE_NONE, rw_get_readyz, "", NULL},
	{"GET", "/metrics", RW_ROLE_NONE, rw_get_metrics, "", NULL},
	{"GET", "/v1/verdict", RW_ROLE_READ, rw_get_verdict, "deployment ring for", NULL},
	{"GET", "/v1/rings", RW_ROLE_READ, rw_get_rings, "", NULL},
	{"GET", "/v1/rings/:", RW_ROLE_READ, rw_get_ring, "", NULL},
	{"GET", "/v1/hosts", RW_ROLE_READ, rw_get_hosts, "ring state limit cursor", NULL},
	{"GET", "/v1/hosts/:", RW_ROLE_READ, rw_get_host, "", NULL},
	{"GET", "/v1/events", RW_ROLE_READ, rw_get_events,
	 "host ring kind signature deployment since until limit cursor", NULL},
	{"GET", "/v1/events/:/:/:", RW_ROLE_READ, rw_get_event, "", NULL},
	{"GET", "/v1/gasps", RW_ROLE_READ, rw_get_gasps, "", NULL},
	{"GET", "/v1/deployments", RW_ROLE_READ, rw_get_deployments, "", NULL},
	{"GET", "/v1/deployments/:", RW_ROLE_READ, rw_get_deployment, "", NULL},
	{"GET", "/v1/audit", RW_ROLE_READ, rw_get_audit, "limit cursor", NULL},
	{"POST", "/v1/deployments", RW_ROLE_ROLLOUT, rw_post_deployments, "",
	 "deployment=s component=s version=s exposure=s match=s rings=a"},
	{"POST", "/v1/deployments/:/rings/:/start", RW_ROLE_ROLLOUT, rw_post_start, "", "step=i"},
	{"POST", "/v1/deployments/:/finish", RW_ROLE_ROLLOUT, rw_post_finish, "", ""},
	{"POST", "/v1/deployments/:/withdraw", RW_ROLE_OPERATOR, rw_post_withdraw, "", "reason=s"},
	{"POST", "/v1/deployments/:/rings/:/reset", RW_ROLE_OPERATOR, rw_post_reset, "",
	 "reason=s"},
	{"POST", "/v1/hosts/:/retire", RW_ROLE_OPERATOR, rw_post_host_retire, "", "reason=s"},
	{"POST", "/v1/hosts/:/enrol", RW_ROLE_OPERATOR, rw_post_host_enrol, "", "reason=s"},
	{"POST", "/v1/hosts/:/exclude", RW_ROLE_OPERATOR, rw_post_host_exclude, "", "reason=s"},
	{"POST", "/v1/hosts/:/maintenance", RW_ROLE_OPERATOR, rw_post_host_maintenance, "",
	 "seconds=i reason=s"},
};
const size_t rw_route_count = sizeof(rw_routes) / sizeof(rw_routes[0]);
