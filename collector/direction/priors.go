package direction

import "github.com/bulkhead/bulkhead/flow"

// minPrior is the difference of two priors below which port numbers say nothing.
// TCP without a SYN was joined in the middle, and who was seen first says little;
// elsewhere it says more than two unregistered ports do, as peers of media streams
// and tunnels choose theirs.
func minPrior(proto uint8) int {
	if proto == flow.TCP {
		return 8
	}
	return 27
}

// clearPrior is the difference of two priors that leaves little doubt.
const clearPrior = 40

// Prior says how much a port number alone looks like a server's, 0..60. Services
// that are registered with IANA and met in practice stand highest, then the
// system ports (RFC 6335 §6: 0–1023), then user ports; the ranges systems take
// ephemeral ports from stand lowest (IANA and Windows 49152–65535, Linux
// 32768–60999, older Windows and BSD 1025–5000).
func Prior(proto uint8, port uint16) int {
	switch {
	case port == 0:
		return 0
	case registered(proto, port):
		return 60
	case port < 1024:
		return 48
	case port >= 61000:
		return 4
	case port >= 49152:
		return 2
	case port >= 32768:
		return 6
	case port < 5001:
		return 22
	case port%1000 == 0 || port%1111 == 0 || port%100 == 80 || port%100 == 43:
		return 34 // 5000, 8000, 9000, 8080, 8443, 9443: what people choose by hand
	}
	return 26
}

func registered(proto uint8, port uint16) bool {
	table := tcpServices[:]
	if proto == flow.UDP {
		table = udpServices[:]
	}
	lo, hi := 0, len(table)
	for lo < hi {
		if m := (lo + hi) / 2; table[m] < port {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo < len(table) && table[lo] == port
}

// Services of the IANA Service Name and Transport Protocol Port Number Registry
// (and a few widely used unregistered ones) that data centres and offices really
// run, in ascending order.
var (
	tcpServices = [...]uint16{
		7, 9, 13, 19, 20, 21, 22, 23, 25, 37, 43, 49, 53, 70, 79, 80, 88, 102, 110, 111, 113, 119, 135, 139, 143, 161, 179,
		194, 264, 311, 389, 427, 443, 444, 445, 464, 465, 500, 502, 512, 513, 514, 515, 541, 543, 544, 548, 554, 563, 587, 593,
		601, 623, 631, 636, 646, 666, 691, 743, 749, 750, 853, 860, 873, 902, 903, 989, 990, 992, 993, 995, 1080, 1099, 1194,
		1270, 1311, 1344, 1352, 1414, 1433, 1434, 1494, 1521, 1522, 1526, 1645, 1688, 1720, 1723, 1812, 1883, 1935, 2000, 2049,
		2082, 2083, 2086, 2087, 2181, 2222, 2375, 2376, 2377, 2379, 2380, 2404, 2483, 2484, 2598, 2638, 2888, 3000, 3049, 3128,
		3260, 3268, 3269, 3299, 3306, 3388, 3389, 3478, 3690, 3868, 3888, 4000, 4022, 4243, 4369, 4433, 4443, 4444, 4505, 4506,
		4646, 4647, 4786, 4840, 4848, 5000, 5001, 5022, 5038, 5044, 5060, 5061, 5222, 5223, 5269, 5355, 5357, 5432, 5433, 5440,
		5480, 5555, 5601, 5631, 5666, 5671, 5672, 5693, 5800, 5900, 5901, 5938, 5984, 5985, 5986, 6000, 6160, 6162, 6379, 6380,
		6432, 6443, 6514, 6556, 6633, 6653, 6667, 6697, 6789, 7000, 7001, 7002, 7077, 7199, 7473, 7474, 7547, 7687, 7946, 8000,
		8001, 8005, 8006, 8008, 8009, 8010, 8014, 8020, 8025, 8032, 8042, 8053, 8080, 8081, 8082, 8083, 8086, 8088, 8089, 8090,
		8091, 8112, 8123, 8125, 8140, 8161, 8181, 8200, 8222, 8291, 8300, 8301, 8302, 8333, 8400, 8443, 8444, 8500, 8501, 8530,
		8531, 8554, 8600, 8649, 8686, 8765, 8800, 8834, 8843, 8880, 8883, 8888, 8983, 9000, 9001, 9002, 9042, 9043, 9060, 9080,
		9090, 9091, 9092, 9093, 9094, 9095, 9096, 9097, 9100, 9102, 9103, 9104, 9113, 9115, 9117, 9121, 9153, 9160, 9187, 9200,
		9201, 9216, 9300, 9389, 9392, 9398, 9401, 9411, 9418, 9419, 9440, 9443, 9999, 10000, 10050, 10051, 10250, 10255, 10256,
		10257, 10259, 10443, 11211, 11434, 12201, 13000, 13720, 13724, 13782, 15672, 15692, 16010, 16509, 16514, 17500, 18080,
		18091, 19000, 19999, 20000, 22000, 24007, 25565, 25672, 26379, 27017, 27018, 27019, 28015, 28017, 30000, 32400, 33060,
		44818, 47001, 47808, 50000, 50010, 50070, 50075, 51413, 54321, 55672, 61613, 61614, 61616, 62078,
	}
	udpServices = [...]uint16{
		7, 9, 13, 17, 19, 37, 49, 53, 67, 69, 88, 111, 123, 135, 137, 138, 161, 162, 177, 213, 319, 320, 389, 427, 443, 445, 464,
		500, 512, 514, 517, 518, 520, 521, 546, 547, 554, 623, 631, 636, 646, 853, 1194, 1434, 1645, 1646, 1701, 1718, 1719, 1812,
		1813, 1900, 1985, 2049, 2055, 2123, 2152, 2427, 2727, 3260, 3268, 3389, 3391, 3478, 3479, 3544, 3702, 3784, 3785, 4433, 4500,
		4739, 4789, 4790, 5060, 5061, 5072, 5246, 5247, 5349, 5350, 5351, 5353, 5355, 5683, 5684, 6081, 6343, 6514, 6635, 7946, 8125, 8301,
		8302, 8472, 8600, 8649, 9995, 9996, 10000, 11211, 12201, 17185, 19302, 20560, 25826, 27015, 30718, 33434, 34964, 41641,
		44818, 47808, 48000, 51820,
	}
)
