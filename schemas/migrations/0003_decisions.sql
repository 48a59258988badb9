-- What people decide: inventory, labels, policies, changes. Rows are only ever
-- added; the highest version of (kind, name) counts. Each insert is on disk
-- before it is acknowledged. The insert carries the token "KIND/NAME/VERSION", so
-- that of two people saving the same version one wins and the other is told.
CREATE TABLE IF NOT EXISTS {{local "documents"}}{{on}} (
    kind    LowCardinality(String),
    name    String,
    version UInt64,
    base    UInt64,
    author  String,
    time    DateTime64(9, 'UTC'),
    reason  String,
    hash    String,
    nonce   String,
    deleted UInt8,
    content String CODEC(ZSTD(3))
) ENGINE = {{engine "MergeTree"}}
ORDER BY (kind, name, version)
SETTINGS {{dedup}}, fsync_after_insert = 1, fsync_part_directory = 1;

{{distributed "documents" "sipHash64(kind, name)"}}

-- What a policy blocked, or would have blocked.
CREATE TABLE IF NOT EXISTS {{local "violations"}}{{on}} (
    time            DateTime64(9, 'UTC'),
    client          IPv6,
    server          IPv6,
    scope           UInt32,
    proto           UInt8,
    client_port     UInt16,
    server_port     UInt16,
    client_workload UInt64,
    server_workload UInt64,
    inbound         UInt8,
    enforced        UInt8,
    policy          String,
    rule            String,
    policy_hash     String,
    host            LowCardinality(String),
    process         String,
    suppressed      UInt64,
    received        DateTime DEFAULT now()
) ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMM(time)
ORDER BY (time, server, server_port, client)
SETTINGS {{dedup}};

{{distributed "violations" "sipHash64(client, server, proto, server_port)"}}

-- What each sensor counted: received, kept, and dropped by reason since it began.
CREATE TABLE IF NOT EXISTS {{local "sensor_health"}}{{on}} (
    time     DateTime64(3, 'UTC'),
    sensor   LowCardinality(String),
    kind     LowCardinality(String),
    state    LowCardinality(String),
    message  String,
    counters Map(LowCardinality(String), UInt64),
    drops    Map(LowCardinality(String), UInt64)
) ENGINE = {{engine "MergeTree"}}
ORDER BY (sensor, kind, time)
TTL toDateTime(time) + INTERVAL 90 DAY
SETTINGS {{dedup}};

{{distributed "sensor_health" "sipHash64(sensor)"}}
