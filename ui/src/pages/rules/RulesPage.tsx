import { useState } from 'react'
import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Recommendation } from '../../api/types'
import { LevelPick, levelOf, levels } from '../../parts/LevelPick'
import { Meter } from '../../parts/Meter'
import { Empty, Failed, Loading } from '../../parts/States'
import { count, many, percent } from '../../words'
import { useAddress } from '../../url'
import { Decisions } from './Decisions'
import { ExportMenu } from './ExportMenu'
import { PolicyCard } from './PolicyCard'
import { ReadinessTab } from './ReadinessTab'
import { Tighten } from './Tighten'

const tabs = ['rules', 'decisions', 'tighten', 'readiness'] as const

/** The recommendation: rules in words with their evidence, and what waits for a decision. */
export function RulesPage() {
  const [address, change] = useAddress()
  const level = levelOf(address.query)
  const since = address.query.get('since') ?? undefined
  const base = address.query.get('base') === 'saved'
  const scope = { level, ...(since ? { since } : {}), ...(base ? { base: 'saved' as const } : {}) }
  const { data, error, loading, reload } = useResource(`rules ${JSON.stringify(scope)}`, (signal) => get('/api/v1/recommendation', scope, signal))
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the recommendation" />
  const tab = tabs.find((t) => t === address.query.get('tab')) ?? 'rules'
  return (
    <div className="page" aria-busy={loading}>
      <header className="page-head">
        <div>
          <h1>Rules</h1>
          <p className="lead">{levels.find(([l]) => l === data.level)?.[2]}. Everything else into these workloads would be denied.</p>
        </div>
        <label className="switch" title="Rules that exist keep their names and stages; what is new, extended or unused is told">
          <input type="checkbox" checked={base} onChange={(e) => change({ base: e.target.checked ? 'saved' : undefined })} />
          <span>Build on saved policies</span>
        </label>
        <LevelPick level={level} onChange={(l) => change({ level: l })} />
        <ExportMenu scope={scope} />
      </header>
      <Summary data={data} />
      <div className="tabs" role="tablist">
        <button type="button" role="tab" aria-selected={tab === 'rules'} onClick={() => change({ tab: undefined })}>
          Policies <em>{data.policies.length}</em>
        </button>
        <button type="button" role="tab" aria-selected={tab === 'decisions'} onClick={() => change({ tab: 'decisions' })}>
          For decision <em className={undecided(data) > 0 ? 'warn' : ''}>{undecided(data)}</em>
        </button>
        <button type="button" role="tab" aria-selected={tab === 'tighten'} onClick={() => change({ tab: 'tighten' })}>
          One level tighter
        </button>
        <button type="button" role="tab" aria-selected={tab === 'readiness'} onClick={() => change({ tab: 'readiness' })}>
          Readiness
        </button>
      </div>
      {tab === 'rules' && base ? <Changes data={data} /> : null}
      {tab === 'rules' ? <Policies data={data} /> : null}
      {tab === 'decisions' ? <Decisions decisions={data.decisions} onDone={reload} /> : null}
      {tab === 'tighten' ? <Tighten scope={scope} /> : null}
      {tab === 'readiness' ? <ReadinessTab since={since} /> : null}
    </div>
  )
}

/** How many decisions nobody has taken yet. */
function undecided(data: Recommendation): number {
  return data.decisions.filter((d) => d.answer === '').length
}

/** "all in draft: nothing is enforced", or how many are in which stage. */
function stages(data: Recommendation): string {
  const by = new Map<string, number>()
  for (const p of data.policies) by.set(p.stage, (by.get(p.stage) ?? 0) + 1)
  if (by.size === 1 && by.has('draft')) return 'all in draft: nothing is enforced'
  return [...by].map(([stage, n]) => `${n} in ${stage}`).join(', ')
}

function Summary({ data }: { data: Recommendation }) {
  const all = data.coverage.find((c) => c.policy === '')
  const before = data.coverageBefore.find((c) => c.policy === '')
  const open = undecided(data)
  const rules = data.policies.reduce((n, p) => n + p.rules.length, 0)
  return (
    <section className="summary">
      {all ? <Meter label={`of connections allowed${before ? `, ${percent(before.allowed, before.connections)} before` : ''}`} part={all.allowed} whole={all.connections} unit="connections" /> : null}
      {all ? <Meter label={`of dependencies allowed${before ? `, ${percent(before.allowedDependencies, before.dependencies)} before` : ''}`} part={all.allowedDependencies} whole={all.dependencies} unit="dependencies" /> : null}
      <div className="figure">
        <p>
          <strong>{count(rules)}</strong> {rules === 1 ? 'rule' : 'rules'}
        </p>
        <p className="note">in {many(data.policies.length, 'policy', 'policies')}, {stages(data)}</p>
      </div>
      <div className="figure">
        <p>
          <strong>{count(open)}</strong> for decision
        </p>
        <p className="note">seen, but not allowed silently{data.decisions.length > open ? `; ${data.decisions.length - open} decided` : ''}</p>
      </div>
      {data.notes.length > 0 ? (
        <ul className="notes">
          {data.notes.map((n) => (
            <li key={n}>{n}</li>
          ))}
        </ul>
      ) : null}
    </section>
  )
}

/** What became of the rules that were saved. */
function Changes({ data }: { data: Recommendation }) {
  const told = data.changes.filter((c) => c.origin !== 'kept')
  const kept = data.changes.length - told.length
  if (data.changes.length === 0) return <p className="hint">No policy is saved yet, so there is nothing to build on: “bulkhead policy save FILE” keeps one.</p>
  return (
    <section className="card">
      <h2>
        Compared with the saved policies <em>{told.length}</em>
      </h2>
      <p className="note">
        {many(kept, 'rule')} kept as {kept === 1 ? 'it is' : 'they are'}.
      </p>
      <ul className="changes">
        {told.slice(0, 200).map((c) => (
          <li key={c.policy + c.rule}>
            <span className={`stage ${c.origin}`}>{c.origin}</span> <strong>{c.policy}</strong> {c.rule}: {c.why}
          </li>
        ))}
      </ul>
      {told.length > 200 ? <p className="note">200 of {count(told.length)} are listed.</p> : null}
    </section>
  )
}

function Policies({ data }: { data: Recommendation }) {
  const [filter, setFilter] = useState('')
  const wanted = filter.trim().toLowerCase()
  const shown = data.policies.filter((p) => wanted === '' || JSON.stringify([p.name, p.rules.map((r) => [r.name, r.from, r.to, r.services])]).toLowerCase().includes(wanted))
  if (data.policies.length === 0) {
    return (
      <Empty title="No rules yet">
        <p>No dependency between workloads has been seen in this window.</p>
      </Empty>
    )
  }
  return (
    <>
      <input type="search" className="filter" aria-label="Filter policies and rules" placeholder="Filter by name, role, service" value={filter} onChange={(e) => setFilter(e.target.value)} />
      {shown.map((p) => (
        <PolicyCard key={p.name} policy={p} coverage={data.coverage.find((c) => c.policy === p.name)} open={shown.length === 1} />
      ))}
      {shown.length === 0 ? <p className="note">No policy matches “{filter}”.</p> : null}
      {data.alwaysAllowed.length > 0 ? (
        <details className="always">
          <summary>Always allowed, whatever the rules say ({data.alwaysAllowed.length})</summary>
          <ul>
            {data.alwaysAllowed.map((e) => (
              <li key={e.name}>
                <strong>{e.name}</strong> {e.services.join(', ')} <small>{e.why}</small>
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </>
  )
}
