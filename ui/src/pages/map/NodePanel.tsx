import { useState } from 'react'
import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Detail, Neighbour, View } from '../../api/types'
import { ClaimForm } from '../../parts/ClaimForm'
import { FindingActions } from '../../parts/FindingActions'
import { PriorityMark } from '../../parts/PriorityMark'
import { Failed, Loading } from '../../parts/States'
import { count, infraName, many, service, shortService, title } from '../../words'
import { GroupActions } from './GroupActions'
import { IdentitySection } from './IdentitySection'
import { Proposals } from './Proposals'
import type { Scope } from './query'
import { ReachPanel } from './ReachPanel'
import type { Selection, Trace } from './selection'

interface Props {
  id: string
  scope: Scope
  view: View
  onSelect: (s: Selection) => void
  onFind: (path: readonly string[]) => void
  onFocus: (id: string | undefined) => void
  trace: Trace | null
  onTrace: (t: Trace | null) => void
}

/** What is known of one box. */
export function NodePanel({ id, scope, onSelect, onFind, onFocus, trace, onTrace }: Props) {
  const { data: d, error, reload } = useResource(`node ${id} ${JSON.stringify(scope)}`, (signal) => get('/api/v1/map/node', { ...scope, id }, signal))
  const [reaching, setReaching] = useState(false)
  if (error) return <Failed error={error} retry={reload} />
  if (!d) return <Loading what="the details" />
  const start = startOf(d)
  return (
    <>
      <header>
        <p className="kicker">
          {kindWords(d)} <PriorityMark priority={d.priority} words />
        </p>
        <h2>{headline(d)}</h2>
        {d.why ? <p className="why">{d.why}</p> : null}
        <div className="actions">
          <button type="button" className="button" onClick={() => onFocus(id)}>
            Neighbourhood
          </button>
          {start ? (
            <button type="button" className="button" aria-pressed={reaching} onClick={() => {
                setReaching(!reaching)
                onTrace(null)
              }}
            >
              What can it reach?
            </button>
          ) : null}
          <button type="button" className="button plain" onClick={() => onSelect(null)} aria-label="Close details">
            Close
          </button>
        </div>
      </header>
      {reaching && start ? <ReachPanel from={start} scope={scope} trace={trace} onTrace={onTrace} /> : null}
      {d.application ? <GroupActions key={d.application} d={d} onDone={reload} /> : null}
      <Identity d={d} />
      <Finding d={d} onDone={reload} />
      {d.kind === 'address' && d.nodes === 1 ? <Claim d={d} onDone={reload} /> : null}
      {d.proposals.length > 0 ? <Proposals proposals={d.proposals} onDone={reload} /> : null}
      <Serves d={d} />
      <Neighbours heading="Used by" list={d.clients} total={d.clientsTotal} onOpen={(n) => onSelect({ from: n.id, to: id })} />
      <Neighbours heading="Uses" list={d.servers} total={d.serversTotal} onOpen={(n) => onSelect({ from: id, to: n.id })} />
      {d.nodes === 1 && (d.kind === 'workload' || d.kind === 'address') ? <IdentitySection id={id} scope={scope} /> : null}
      {d.nodes > 1 ? <Members d={d} onSelect={onFind} /> : null}
    </>
  )
}

/** Where a compromise would start: the node, or the labels that all of an application have. */
function startOf(d: Detail): string | undefined {
  if (d.nodes === 1) return d.members[0]?.id
  if (d.kind !== 'application') return undefined
  const shared = d.labels.filter((l) => (l.key === 'app' || l.key === 'env') && l.nodes === d.nodes)
  return shared.some((l) => l.key === 'app') ? shared.map((l) => `${l.key}=${l.value}`).join(',') : undefined
}

function headline(d: Detail): string {
  if (d.kind === 'infrastructure') return infraName(d.name)
  return d.kind === 'workload' || d.kind === 'address' ? d.name : title(d.name)
}

function kindWords(d: Detail): string {
  const what = { infrastructure: 'Shared infrastructure', nat: 'NAT pool: many machines behind it', vip: 'Virtual address' }[d.kind as string] ?? title(d.kind)
  return d.nodes > 1 ? `${what} · ${many(d.nodes, 'workload')}` : what
}

function Identity({ d }: { d: Detail }) {
  return (
    <section>
      {d.addrs && d.addrs.length > 0 ? (
        <dl>
          <dt>Addresses</dt>
          <dd className="mono">{d.scope ? <small>VLAN/VNI {d.scope}: </small> : null}{d.addrs.slice(0, 12).join(', ')}{d.addrs.length > 12 ? ` and ${d.addrs.length - 12} more` : ''}</dd>
        </dl>
      ) : null}
      {d.names && d.names.length > 0 ? (
        <dl>
          <dt>Known as</dt>
          <dd>{d.names.slice(0, 8).join(', ')}</dd>
        </dl>
      ) : null}
      {d.backends && d.backends.length > 0 ? (
        <dl>
          <dt>Passes on to</dt>
          <dd>{d.backends.map((b) => b.name).join(', ')}</dd>
        </dl>
      ) : null}
      {d.labels.length > 0 ? (
        <ul className="labels" aria-label="Labels">
          {d.labels.map((l) => (
            <li key={l.key + l.value} className={l.proposed > 0 ? 'proposed' : ''} title={l.proposed > 0 ? `${many(l.proposed, 'workload')} by proposal` : 'given by the operator'}>
              <span>{l.key}</span> {l.value}
              {d.nodes > 1 && l.nodes < d.nodes ? <em> {count(l.nodes)}</em> : null}
            </li>
          ))}
        </ul>
      ) : null}
    </section>
  )
}

/** Why it is kept out of applications, and a person's word on it. */
function Finding({ d, onDone }: { d: Detail; onDone: () => void }) {
  const f = d.findings?.[0]
  const single = d.nodes === 1 ? d.members[0] : undefined
  const { data } = useResource(f && single ? 'infrastructure' : null, (signal) => get('/api/v1/map/infrastructure', {}, signal))
  if (!f) return null
  if (!single) {
    return (
      <section>
        <a href="/labels?tab=infrastructure">Review what is shared infrastructure</a>
      </section>
    )
  }
  const known = data?.findings.find((x) => x.node.id === single.id)
  return (
    <section>
      <h3>Shared infrastructure</h3>
      <FindingActions node={single.id.replace(/^node:/, '')} name={single.name} kind={f.kind} kinds={data?.kinds ?? []} accepted={known?.decided === 'accepted'} onDone={onDone} />
    </section>
  )
}

function Claim({ d, onDone }: { d: Detail; onDone: () => void }) {
  const [open, setOpen] = useState(false)
  const node = d.members[0]?.id.replace(/^node:/, '') ?? ''
  const proposed = Object.fromEntries(d.labels.map((l) => [l.key, l.value]))
  return (
    <section>
      <h3>Nobody claims this address</h3>
      {open ? (
        <ClaimForm node={node} address={d.addrs?.[0] ?? d.name} name={d.names?.[0] ?? ''} labels={proposed} onDone={onDone} />
      ) : (
        <button type="button" className="button" onClick={() => setOpen(true)}>
          Say whose it is
        </button>
      )}
    </section>
  )
}

function Serves({ d }: { d: Detail }) {
  if (d.serves.length === 0) return null
  return (
    <section>
      <h3>Serves</h3>
      <ul className="services">
        {d.serves.slice(0, 10).map((s) => (
          <li key={s.service}>
            <span>{service(s.service)}</span>
            <em>{many(s.flows, 'flow')}</em>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Neighbours({ heading, list, total, onOpen }: { heading: string; list: readonly Neighbour[]; total: number; onOpen: (n: Neighbour) => void }) {
  const [all, setAll] = useState(false)
  if (list.length === 0) return null
  const shown = all ? list : list.slice(0, 8)
  return (
    <section>
      <h3>
        {heading} <em>{count(total)}</em>
      </h3>
      <ul className="neighbours">
        {shown.map((n) => (
          <li key={n.id}>
            <button type="button" onClick={() => onOpen(n)}>
              <span className="who">
                {n.kind === 'infrastructure' ? infraName(n.name) : title(n.name)}
                {n.env ? <small> {n.env}</small> : null}
              </span>
              <span className="what">{n.services.map((s) => shortService(s.service)).join(', ')}</span>
              <em>{count(n.flows)}</em>
            </button>
          </li>
        ))}
      </ul>
      {list.length > shown.length ? (
        <button type="button" className="button plain" onClick={() => setAll(true)}>
          {total > list.length ? `Show ${list.length} of ${count(total)}` : `Show all ${list.length}`}
        </button>
      ) : null}
    </section>
  )
}

function Members({ d, onSelect }: { d: Detail; onSelect: (path: readonly string[]) => void }) {
  const [all, setAll] = useState(false)
  const shown = all ? d.members : d.members.slice(0, 10)
  return (
    <section>
      <h3>
        Workloads <em>{count(d.nodes)}</em>
      </h3>
      <ul className="members">
        {shown.map((m) => (
          <li key={m.id}>
            <button type="button" onClick={() => onSelect([m.id])}>
              <span>{m.name}</span>
              <small>{m.role ?? ''}</small>
              <span className="mono">{m.addrs?.[0] ?? ''}</span>
            </button>
          </li>
        ))}
      </ul>
      {d.members.length > shown.length ? (
        <button type="button" className="button plain" onClick={() => setAll(true)}>
          {d.nodes > d.members.length ? `Show ${d.members.length} of ${count(d.nodes)}` : `Show all ${d.nodes}`}
        </button>
      ) : null}
    </section>
  )
}

