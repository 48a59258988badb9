-- The program at either end of a flow, where a host's own connection tracking saw
-- it: a unit ("nginx.service") or a command name; empty where nobody knows.
ALTER TABLE {{local "flows"}}{{on}} ADD COLUMN IF NOT EXISTS client_process LowCardinality(String);

ALTER TABLE {{local "flows"}}{{on}} ADD COLUMN IF NOT EXISTS server_process LowCardinality(String);

{{distributedColumn "flows" "client_process LowCardinality(String)"}}
{{distributedColumn "flows" "server_process LowCardinality(String)"}}
