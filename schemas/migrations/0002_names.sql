-- Names seen on the wire. They are hostile text: escape them wherever shown.
CREATE TABLE IF NOT EXISTS {{local "names"}}{{on}} (
    addr     IPv6,
    scope    UInt32,
    name     String,
    kind     UInt8,
    sensor   LowCardinality(String),
    first    SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    last     SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
    count    SimpleAggregateFunction(sum, UInt64),
    received SimpleAggregateFunction(max, DateTime) DEFAULT now()
) ENGINE = {{engine "AggregatingMergeTree"}}
ORDER BY (addr, scope, name, kind, sensor)
SETTINGS {{dedup}};

{{distributed "names" "sipHash64(addr)"}}

-- The inventory's addresses by interval, one generation per saved inventory; the
-- newest generation counts. For queries by hand: the program stamps records
-- itself. from_time and to_time of 0 are unbounded.
CREATE TABLE IF NOT EXISTS {{local "workload_addresses"}}{{on}} (
    generation UInt64,
    workload   UInt64,
    id         String,
    name       String,
    labels     Map(String, String),
    addr       IPv6,
    scope      UInt32,
    from_time  DateTime64(9, 'UTC'),
    to_time    DateTime64(9, 'UTC')
) ENGINE = {{engine "MergeTree"}}
ORDER BY (generation, addr, scope)
SETTINGS {{dedup}};

{{distributed "workload_addresses" "sipHash64(addr)"}}
