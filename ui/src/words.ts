// Numbers, times and services as people say them.

const units = ['', ' k', ' M', ' G', ' T'] as const

/** "950", "12 400", "412 k", "3.1 M". */
export function count(n: number): string {
  let value = n
  let unit = 0
  while (Math.abs(value) >= (unit === 0 ? 99_999.5 : 999.5) && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  if (unit > 0 && Math.abs(value) < 100) return value.toFixed(1) + units[unit]
  if (unit > 0) return Math.round(value) + units[unit]!
  return Math.round(value).toLocaleString('en-US').replace(/,/g, '\u202f')
}

/** "14.2 MB", powers of 1000. */
export function bytes(n: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = n
  let unit = 0
  while (value >= 1000 && unit < names.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${names[unit]}`
}

/** "1 workload", "12 workloads". */
export function many(n: number, one: string, more = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : more}`
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return '–'
  const p = (100 * part) / whole
  if (p > 99.9 && part < whole) return '99.9 %' // never rounded up to all
  if (p < 0.1 && part > 0) return '0.1 %'
  return `${p >= 10 ? p.toFixed(p === 100 ? 0 : 1) : p.toFixed(1)} %`
}

/** "2026-11-22 07:15", UTC; an empty time is a dash. */
export function time(t: string): string {
  return t === '' ? '–' : t.slice(0, 16).replace('T', ' ')
}

/** "today 07:15", "3 days before", relative to the end of what was recorded. */
export function ago(t: string, last: string): string {
  if (t === '' || last === '') return '–'
  const minutes = (Date.parse(last) - Date.parse(t)) / 60000
  if (minutes < 2) return 'at the end'
  if (minutes < 120) return `${Math.round(minutes)} min before`
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h before`
  return `${Math.round(minutes / 1440)} days before`
}

const names: Readonly<Record<string, string>> = {
  'tcp/20': 'FTP data', 'tcp/21': 'FTP', 'tcp/22': 'SSH', 'tcp/23': 'Telnet', 'tcp/25': 'SMTP', 'tcp/53': 'DNS', 'udp/53': 'DNS',
  'udp/67': 'DHCP', 'tcp/80': 'HTTP', 'tcp/88': 'Kerberos', 'udp/88': 'Kerberos', 'udp/123': 'NTP', 'tcp/135': 'RPC',
  'udp/137': 'NetBIOS', 'tcp/139': 'NetBIOS', 'udp/161': 'SNMP', 'tcp/389': 'LDAP', 'udp/389': 'LDAP', 'tcp/443': 'HTTPS',
  'udp/443': 'QUIC', 'tcp/445': 'SMB', 'tcp/464': 'Kerberos', 'udp/514': 'syslog', 'tcp/514': 'syslog', 'tcp/502': 'Modbus',
  'tcp/587': 'SMTP', 'tcp/636': 'LDAPS', 'tcp/873': 'rsync', 'tcp/993': 'IMAPS', 'tcp/1433': 'SQL Server', 'tcp/1521': 'Oracle',
  'tcp/2049': 'NFS', 'tcp/2181': 'ZooKeeper', 'tcp/3128': 'proxy', 'tcp/3268': 'global catalog', 'tcp/3306': 'MySQL',
  'tcp/3389': 'RDP', 'tcp/5000': 'registry', 'tcp/5432': 'PostgreSQL', 'tcp/5671': 'AMQPS', 'tcp/5672': 'AMQP', 'tcp/5985': 'WinRM',
  'tcp/5986': 'WinRM', 'tcp/6379': 'Redis', 'tcp/6443': 'Kubernetes', 'tcp/6514': 'syslog', 'tcp/8080': 'HTTP', 'tcp/8123': 'ClickHouse',
  'tcp/8443': 'HTTPS', 'tcp/9000': 'ClickHouse', 'tcp/9042': 'Cassandra', 'tcp/9092': 'Kafka', 'tcp/9100': 'metrics', 'tcp/9200': 'Elasticsearch',
  'tcp/10050': 'Zabbix', 'tcp/11211': 'memcached', 'tcp/27017': 'MongoDB', 'icmp/8/0': 'ping', 'icmpv6/128/0': 'ping',
}

/** "PostgreSQL 5432": what a port usually is, and the port, since the name is a guess. */
export function service(s: string): string {
  const name = names[s]
  if (name === undefined) return s
  const port = s.slice(s.indexOf('/') + 1)
  return s.startsWith('icmp') ? name : `${name} ${port}`
}

/** The usual name only, where space is short; the service itself when it has none. */
export function shortService(s: string): string {
  return names[s] ?? s
}

/** The name of an evidence of direction, in words. */
export function evidence(e: string): string {
  const words: Readonly<Record<string, string>> = {
    none: 'nothing', 'first-seen': 'who spoke first', 'port-prior': 'which port looks like a service', 'known-port': 'a port this address is known to serve',
    semantics: 'the message says who asks', conntrack: 'the kernel’s own tracking', exporter: 'the exporter said so', syn: 'the TCP handshake', override: 'the operator said so',
  }
  return words[e] ?? e
}

/** How regularly something was seen, in words. */
export function rhythm(r: string): string {
  const words: Readonly<Record<string, string>> = { steady: 'around the clock', 'working-hours': 'some hours of most days', daily: 'about once a day', occasional: 'now and then', once: 'on one day only' }
  return words[r] ?? r
}

const short = new Set(
  ('ad api b2b bi ci cctv cdn cms crm db dhcp dmz dns edi erp etl ftp hmi hr hsm http hvac iam iot ip it kpi ldap mes mfa mqtt nat nfs ntp ot ' +
    'pki plc pos rdp scada siem smtp sql ssh sso ups vdi vip vpn waf wan wms').split(' '),
)
const ownCase: Readonly<Record<string, string>> = { devops: 'DevOps', saas: 'SaaS', voip: 'VoIP', wifi: 'Wi-Fi' }

/** Label-like names as titles, abbreviations in capitals: "point-of-sale" → "Point of sale", "vendor-vpn" → "Vendor VPN". */
export function title(name: string): string {
  const label = /^[a-z0-9]+([-_ ][a-z0-9]+)*$/.test(name)
  const words = label ? name.split(/[-_ ]/).map((w) => (short.has(w) ? w.toUpperCase() : (ownCase[w] ?? w))) : [name]
  const spaced = words.join(' ')
  return spaced.charAt(0).toUpperCase() + spaced.slice(1)
}

const kinds: Readonly<Record<string, string>> = {
  dns: 'DNS', dhcp: 'DHCP', ntp: 'NTP', directory: 'Directory', ldap: 'Directory', ad: 'Active Directory', nat: 'NAT', proxy: 'Proxy', vip: 'Virtual IP',
}

export function infraName(kind: string): string {
  return kinds[kind] ?? title(kind)
}

/** Shortens in the middle: what tells machines apart stands at both ends of their names. */
export function middle(name: string, most: number): string {
  if (name.length <= most) return name
  const tail = Math.ceil((most - 1) * 0.6)
  return `${name.slice(0, most - 1 - tail)}…${name.slice(-tail)}`
}
