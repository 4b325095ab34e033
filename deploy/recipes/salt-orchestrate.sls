# SPDX-License-Identifier: Apache-2.0
# Salt: an orchestration with a gate between two rings.
#
#   salt-run state.orchestrate ringwatch pillar='{"ringwatch_token": "…"}'
#
# When ringwatch does not answer: the gate asks on until wait_for has passed, fails then, and
# what requires it does not run. So it does on hold and on abort: it waits for one answer,
# proceed. failhard alone would not do; the requisite is what stops the next ring.
install_on_canary:
  salt.state:
    - tgt: ring:canary
    - tgt_type: grain
    - sls: acme
    - failhard: true

gate_before_wide:
  http.wait_for_successful_query:
    - name: https://ringwatch.example:8470/v1/verdict?deployment=acme-2.1&ring=canary
    - header_dict:
        Authorization: "Bearer {{ pillar['ringwatch_token'] }}"
    - status: 200
    - match: '"verdict":"proceed"'
    - wait_for: 180000
    - request_interval: 60
    - require:
        - salt: install_on_canary

install_on_wide:
  salt.state:
    - tgt: ring:wide
    - tgt_type: grain
    - sls: acme
    - failhard: true
    - require:
        - http: gate_before_wide
