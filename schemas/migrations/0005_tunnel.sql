-- The ends of the outermost tunnel a flow was seen in; :: where there was none.
ALTER TABLE {{local "flows"}}{{on}} ADD COLUMN IF NOT EXISTS tunnel_from IPv6;

ALTER TABLE {{local "flows"}}{{on}} ADD COLUMN IF NOT EXISTS tunnel_to IPv6;

{{distributedColumn "flows" "tunnel_from IPv6"}}
{{distributedColumn "flows" "tunnel_to IPv6"}}
