package store

import "fmt"

// perDay begins the two inner levels of edges seen by several sensors: rows of each
// sensor added up, then of each day what the sensors saw together.
//
// The sensor that saw most flows counts whole. Each further one counts by the share
// of its flows that none before it saw: two taps on one link count once, two routers
// that balance an edge's packets between them both count. Shares come from the
// bitmaps of flows in the rows (schemas/migrations/0006_seen.sql); rows from before
// there were any count only when they are the sensor's that saw most.
var perDay = "SELECT " + edgeKey + ", day, " + shared + `
  toUInt64(` + weighed(1) + `) AS flows, toUInt64(` + weighed(2) + `) AS packets, toUInt64(` + weighed(3) + `) AS bytes,
  min(d.first) AS first, max(d.last) AS last,
  max(d.evidence) AS evidence, sum(d.confidence_sum) AS confidence_sum, sum(d.records) AS records, groupBitOr(d.hours) AS hours, groupArray(d.sensor) AS seen
FROM (SELECT ` + edgeKey + `, day, sensor, sum(e.flows) AS flows, sum(e.packets) AS packets, sum(e.bytes) AS bytes, min(e.first) AS first, max(e.last) AS last,
  max(e.evidence) AS evidence, sum(e.confidence_sum) AS confidence_sum, sum(e.records) AS records, groupBitOr(e.hours) AS hours,
  groupBitOr(e.seen0) AS seen0, groupBitOr(e.seen1) AS seen1, groupBitOr(e.seen2) AS seen2
FROM `

// shared works out the sensors' shares: "by" are their rows, most flows first;
// "together" the union of the bitmaps up to each, at the finest resolution whose union
// is not full; "share" what each adds to those before it.
var shared = `arrayReverseSort(groupArray((d.flows, d.packets, d.bytes, d.seen0, d.seen1, d.seen2))) AS by,
  arrayMap(x -> tupleElement(x, 4), by) AS all0, arrayMap(x -> tupleElement(x, 5), by) AS all1, arrayMap(x -> tupleElement(x, 6), by) AS all2,
  multiIf(bitCount(arrayReduce('groupBitOr', all0)) <= 56, all0, bitCount(arrayReduce('groupBitOr', all1)) <= 56, all1, all2) AS own,
  arrayMap(i -> arrayReduce('groupBitOr', arraySlice(own, 1, i)), arrayEnumerate(own)) AS together,
  arrayMap((i, b, u) -> if(i = 1, 1., if(b = 0, 0., least(1., (` + counted("u") + ` - ` + counted("together[i - 1]") + `) / ` + counted("b") + `))),
    arrayEnumerate(own), own, together) AS share,`

// counted is the number of flows behind a bitmap, by linear counting (Whang,
// Vander-Zanden, Taylor 1990).
func counted(bitmap string) string {
	return "(-64 * log((64 - least(bitCount(" + bitmap + "), 63)) / 64))"
}

// weighed adds up the nth element of the sensors' rows by their shares. The one
// sensor of most edges has nothing to be weighed.
func weighed(n int) string {
	return fmt.Sprintf("if(length(by) = 1, tupleElement(by[1], %d), round(arraySum((x, w) -> tupleElement(x, %d) * w, by, share)))", n, n)
}
