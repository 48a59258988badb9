import { get, queryString } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { HygieneIssue } from '../../api/types'
import { useMore } from '../../parts/More'
import { Empty, Failed, Loading } from '../../parts/States'
import { count } from '../../words'

const kinds: Readonly<Record<string, readonly [string, string]>> = {
  mislabelled: ['Mislabelled', 'behaves like another application than its label says'],
  unlabelled: ['Unlabelled', 'seen, and nobody gave it an application'],
  duplicate: ['Duplicate', 'two workloads under one name'],
  stale: ['Stale', 'in the inventory, not seen in the window'],
}

/** What is wrong with labels and inventory, by kind. */
export function Hygiene() {
  const { data, error, reload } = useResource('hygiene', (signal) => get('/api/v1/inventory/hygiene', {}, signal))
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="what to look at" />
  if (data.issues.length === 0) {
    return (
      <Empty title="Nothing to look at">
        <p>Every workload behaves as its labels say, has its labels, is there once and was seen.</p>
      </Empty>
    )
  }
  const order = Object.keys(kinds)
  const found = [...new Set(data.issues.map((i) => i.kind))].sort((a, b) => order.indexOf(a) - order.indexOf(b))
  return found.map((k) => <Kind key={k} kind={k} list={data.issues.filter((i) => i.kind === k)} />)
}

function Kind({ kind, list }: { kind: string; list: readonly HygieneIssue[] }) {
  const [name, note] = kinds[kind] ?? [kind, '']
  const [some, more] = useMore(list)
  return (
    <section className="card">
      <h2>
        {name} <em>{count(list.length)}</em>
      </h2>
      <p className="note">{note}</p>
      <ul className="plain-list issues">
        {some.map((i) => (
          <li key={i.workload + i.why}>
            {kind === 'stale' ? <strong>{i.workload}</strong> : <a href={`/map${queryString({ box: `node:${i.workload}`, focus: `node:${i.workload}` })}`}>{i.workload}</a>} <span>{i.why}</span>
          </li>
        ))}
      </ul>
      {more}
    </section>
  )
}
