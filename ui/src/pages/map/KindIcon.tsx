import type { Kind } from '../../api/types'

const shapes: Readonly<Record<string, string>> = {
  application: 'M2 3h12v4H2zM2 9h5v4H2zM9 9h5v4H9z',
  group: 'M2 3h12v10H2z',
  role: 'M3 4h10v3H3zM3 9h10v3H3z',
  workload: 'M3 2.5h10v5H3zM3 8.5h10v5H3zM5 5h1M5 11h1',
  address: 'M8 2a4.5 4.5 0 0 1 4.5 4.5C12.500 10 8 14 8 14S3.500 10 3.500 6.500A4.500 4.500 0 0 1 8 2zM8 6.500h.01',
  nat: 'M2 5h7M7 3l2 2-2 2M14 11H7M9 9l-2 2 2 2M12 3h2v4h-2M2 9h2v4H2',
  vip: 'M8 2v4M8 6L3.500 10M8 6l4.500 4M2 10h3v3H2zM11 10h3v3h-3zM6.500 2h3',
  network: 'M4.500 12.500a3 3 0 0 1 0-6 4 4 0 0 1 7.600 1.200 2.500 2.500 0 0 1-.600 4.800z',
  internet: 'M8 2a6 6 0 1 0 .01 0zM2 8h12M8 2c-4 4-4 8 0 12M8 2c4 4 4 8 0 12',
  multicast: 'M8 8h.01M5 11a4.200 4.200 0 0 1 0-6M11 5a4.200 4.200 0 0 1 0 6M3 13a7 7 0 0 1 0-10M13 3a7 7 0 0 1 0 10',
  domains: 'M8 2a6 6 0 1 0 .01 0zM2 8h12M8 2c-4 4-4 8 0 12M8 2c4 4 4 8 0 12',
  infrastructure: 'M8 2l5.500 3v6L8 14l-5.500-3V5zM8 8l5.500-3M8 8v6M8 8L2.500 5',
  ungrouped: 'M3 3h3v3H3zM10 4h3v3h-3zM5 10h3v3H5z',
  alike: 'M2 5h8v8H2zM4.500 5V3H12.500v8H10',
  more: 'M3.500 8h.01M8 8h.01M12.500 8h.01',
}

/** A small drawing of what a box stands for. */
export function KindIcon({ kind }: { kind: Kind; infra?: string | undefined }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="15" height="15" aria-hidden="true">
      <path d={shapes[kind] ?? shapes['group']} />
    </svg>
  )
}
