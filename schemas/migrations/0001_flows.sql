-- Raw flow records, as flow.Record has them. Addresses are IPv6, IPv4 as
-- ::ffff:a.b.c.d. outcome, evidence, end_reason, encap and source are the numbers
-- of the enumerations in package flow. nat_… is the tuple behind an address
-- translation, :: and 0 where not known. Retention counts from when a row came in,
-- so that an old capture imported today is kept as long as any other.
CREATE TABLE IF NOT EXISTS {{local "flows"}}{{on}} (
    first           DateTime64(9, 'UTC'),
    last            DateTime64(9, 'UTC'),
    id              UInt64,
    client          IPv6,
    server          IPv6,
    scope           UInt32,
    client_port     UInt16,
    server_port     UInt16,
    proto           UInt8,
    client_packets  UInt64,
    server_packets  UInt64,
    client_bytes    UInt64,
    server_bytes    UInt64,
    client_flags    UInt8,
    server_flags    UInt8,
    outcome         UInt8,
    evidence        UInt8,
    confidence      UInt8,
    end_reason      UInt8,
    split           UInt32,
    folded          UInt32,
    sampling        UInt32,
    vlan            UInt16,
    vni             UInt32,
    encap           UInt8,
    source          UInt8,
    client_workload UInt64,
    server_workload UInt64,
    nat_client      IPv6,
    nat_server      IPv6,
    nat_client_port UInt16,
    nat_server_port UInt16,
    sensor          LowCardinality(String),
    received        DateTime DEFAULT now()
) ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMMDD(first)
ORDER BY (server, server_port, proto, client, first)
SETTINGS {{dedup}}, ttl_only_drop_parts = 1;

{{distributed "flows" "sipHash64(client, server, proto, server_port)"}}

-- Established service by the hour: who used what of whom, one row per sensor.
-- client_port_min and _max tell a reversed edge: many flows of a true client
-- come from many ports.
CREATE TABLE IF NOT EXISTS {{local "edges"}}{{on}} (
    hour            DateTime('UTC'),
    client          IPv6,
    server          IPv6,
    scope           UInt32,
    proto           UInt8,
    server_port     UInt16,
    client_workload UInt64,
    server_workload UInt64,
    sensor          LowCardinality(String),
    flows           SimpleAggregateFunction(sum, UInt64),
    records         SimpleAggregateFunction(sum, UInt64),
    packets         SimpleAggregateFunction(sum, UInt64),
    bytes           SimpleAggregateFunction(sum, UInt64),
    first           SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    last            SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
    evidence        SimpleAggregateFunction(max, UInt8),
    confidence_sum  SimpleAggregateFunction(sum, UInt64),
    client_port_min SimpleAggregateFunction(min, UInt16),
    client_port_max SimpleAggregateFunction(max, UInt16),
    received        SimpleAggregateFunction(max, DateTime)
) ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(hour)
ORDER BY (client, server, proto, server_port, scope, client_workload, server_workload, sensor, hour)
SETTINGS {{dedup}};

{{distributed "edges" "sipHash64(client, server, proto, server_port)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{local "edges_from_flows"}}{{on}} TO {{local "edges"}}
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    toStartOfHour(toDateTime(flows.first, 'UTC')) AS hour,
    client, server, scope, proto, server_port, client_workload, server_workload, sensor,
    sum(if(split = 0, 1 + toUInt64(folded), 0)) AS flows,
    count() AS records,
    sum(client_packets + server_packets) AS packets,
    sum(client_bytes + server_bytes) AS bytes,
    min(flows.first) AS first,
    max(flows.last) AS last,
    max(flows.evidence) AS evidence,
    sum(toUInt64(confidence)) AS confidence_sum,
    min(client_port) AS client_port_min,
    max(client_port) AS client_port_max,
    max(flows.received) AS received
FROM {{local "flows"}} AS flows
WHERE outcome = 1
GROUP BY hour, client, server, scope, proto, server_port, client_workload, server_workload, sensor;

-- The same by the day, with one bit per hour in which the edge was seen: what
-- windows of whole days are read from. A billion edge-hours are at most a
-- twentieth of that in edge-days for an edge that is always there.
CREATE TABLE IF NOT EXISTS {{local "edges_daily"}}{{on}} (
    day             Date,
    client          IPv6,
    server          IPv6,
    scope           UInt32,
    proto           UInt8,
    server_port     UInt16,
    client_workload UInt64,
    server_workload UInt64,
    sensor          LowCardinality(String),
    hours           SimpleAggregateFunction(groupBitOr, UInt32),
    flows           SimpleAggregateFunction(sum, UInt64),
    records         SimpleAggregateFunction(sum, UInt64),
    packets         SimpleAggregateFunction(sum, UInt64),
    bytes           SimpleAggregateFunction(sum, UInt64),
    first           SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    last            SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
    evidence        SimpleAggregateFunction(max, UInt8),
    confidence_sum  SimpleAggregateFunction(sum, UInt64),
    client_port_min SimpleAggregateFunction(min, UInt16),
    client_port_max SimpleAggregateFunction(max, UInt16),
    received        SimpleAggregateFunction(max, DateTime)
) ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(day)
ORDER BY (client, server, proto, server_port, scope, client_workload, server_workload, sensor, day)
SETTINGS {{dedup}};

{{distributed "edges_daily" "sipHash64(client, server, proto, server_port)"}}

-- Fed by what edges_from_flows has already grouped; the table adds up the rest.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{local "edges_daily_from_edges"}}{{on}} TO {{local "edges_daily"}}
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    toDate(hour, 'UTC') AS day,
    client, server, scope, proto, server_port, client_workload, server_workload, sensor,
    toUInt32(bitShiftLeft(toUInt32(1), toHour(hour, 'UTC'))) AS hours,
    flows, records, packets, bytes, first, last, evidence, confidence_sum, client_port_min, client_port_max, received
FROM {{local "edges"}};

-- Refused, unanswered, one-way and denied attempts by the hour. They are no
-- dependencies. folded counts flows that one summary record stood for.
CREATE TABLE IF NOT EXISTS {{local "probes"}}{{on}} (
    hour            DateTime('UTC'),
    client          IPv6,
    server          IPv6,
    scope           UInt32,
    proto           UInt8,
    server_port     UInt16,
    outcome         UInt8,
    client_workload UInt64,
    server_workload UInt64,
    sensor          LowCardinality(String),
    attempts        SimpleAggregateFunction(sum, UInt64),
    folded          SimpleAggregateFunction(sum, UInt64),
    first           SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    last            SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
    received        SimpleAggregateFunction(max, DateTime)
) ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(hour)
ORDER BY (client, server, proto, server_port, outcome, scope, client_workload, server_workload, sensor, hour)
SETTINGS {{dedup}};

{{distributed "probes" "sipHash64(client, server, proto, server_port)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{local "probes_from_flows"}}{{on}} TO {{local "probes"}}
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    toStartOfHour(toDateTime(flows.first, 'UTC')) AS hour,
    client, server, scope, proto, server_port, outcome, client_workload, server_workload, sensor,
    sum(if(split = 0, 1 + toUInt64(flows.folded), 0)) AS attempts,
    sum(toUInt64(flows.folded)) AS folded,
    min(flows.first) AS first,
    max(flows.last) AS last,
    max(flows.received) AS received
FROM {{local "flows"}} AS flows
WHERE outcome != 1
GROUP BY hour, client, server, scope, proto, server_port, outcome, client_workload, server_workload, sensor;
