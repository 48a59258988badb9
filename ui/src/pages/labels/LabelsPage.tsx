import { useState } from 'react'
import { ApiError, get, post } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { ProposalGroup } from '../../api/types'
import { useMore } from '../../parts/More'
import { History } from '../../parts/History'
import { Empty, Failed, Loading } from '../../parts/States'
import { Tabs } from '../../parts/Tabs'
import { useAddress } from '../../url'
import { count, many } from '../../words'
import { Hygiene } from './Hygiene'
import { Infrastructure } from './Infrastructure'

const choices = [50, 70, 80, 90, 95] as const

const tabs = ['proposals', 'hygiene', 'infrastructure', 'history'] as const

/** What each workload is: proposals to review, what is wrong, what is shared, and who decided what. */
export function LabelsPage() {
  const [address, change] = useAddress()
  const tab = tabs.find((t) => t === address.query.get('tab')) ?? 'proposals'
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>Labels</h1>
          <p className="lead">What the traffic says about workloads nobody has labelled. Your word always wins, and stays.</p>
        </div>
      </header>
      <Tabs
        label="Labels"
        current={tab}
        onChange={(t) => change({ tab: t === 'proposals' ? undefined : t })}
        tabs={[
          { id: 'proposals', text: 'Proposals' },
          { id: 'hygiene', text: 'To look at' },
          { id: 'infrastructure', text: 'Shared infrastructure' },
          { id: 'history', text: 'History' },
        ]}
      />
      {tab === 'proposals' ? <ProposalsTab /> : null}
      {tab === 'hygiene' ? <Hygiene /> : null}
      {tab === 'infrastructure' ? <Infrastructure /> : null}
      {tab === 'history' ? <Past /> : null}
    </div>
  )
}

function Past() {
  return (
    <>
      <section className="card">
        <h2>Labels</h2>
        <History kind="labels" name="estate" what="a label" />
      </section>
      <section className="card">
        <h2>Groups and shared infrastructure</h2>
        <History kind="mapping" name="estate" what="groups or shared infrastructure" />
      </section>
    </>
  )
}

/** Labels that the mapper proposes, reviewed label by label. */
function ProposalsTab() {
  const [address, change] = useAddress()
  const sure = choices.find((c) => String(c) === address.query.get('sure')) ?? 80
  const key = address.query.get('key') ?? ''
  const { data, error, loading, reload } = useResource(`labels ${sure}`, (signal) => get('/api/v1/map/proposals/groups', { sure }, signal))
  const review = useReview(reload)
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the proposals" />
  const keys = [...new Set(data.groups.map((g) => g.key))].sort()
  const shown = data.groups.filter((g) => key === '' || g.key === key)
  const certain = shown.reduce((n, g) => n + g.sure, 0)
  return (
    <div aria-busy={loading || review.busy}>
      <div className="bar-head">
        <label className="pick">
          <span>Key</span>
          <select value={key} onChange={(e) => change({ key: e.target.value })}>
            <option value="">all</option>
            {keys.map((k) => (
              <option key={k}>{k}</option>
            ))}
          </select>
        </label>
        <label className="pick">
          <span>Sure from</span>
          <select value={sure} onChange={(e) => change({ sure: e.target.value })}>
            {choices.map((c) => (
              <option key={c} value={c}>
                {c} %
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button primary" disabled={review.busy || certain === 0} onClick={() => void review.decide(shown, sure, true)}>
          Accept the {count(certain)} sure ones
        </button>
      </div>
      {review.message ? <p role="status">{review.message}</p> : null}
      {shown.length === 0 ? (
        <Empty title="Nothing to review">
          <p>Every workload seen has its labels, or nothing in its traffic says what they could be.</p>
        </Empty>
      ) : (
        <Groups key={key} list={shown} busy={review.busy} decide={review.decide} />
      )}
    </div>
  )
}

function Groups({ list, busy, decide }: { list: readonly ProposalGroup[]; busy: boolean; decide: Decide }) {
  const [some, more] = useMore(list)
  return (
    <>
      <ul className="label-groups">
        {some.map((g) => (
          <Group key={`${g.key}=${g.value}`} group={g} busy={busy} decide={decide} />
        ))}
      </ul>
      {more}
    </>
  )
}

type Decide = (groups: readonly ProposalGroup[], sure: number, accept: boolean) => Promise<void>

/** Sends decisions and says what came of them. */
function useReview(reload: () => void): { busy: boolean; message: string | null; decide: Decide } {
  const [busy, setBusy] = useState(false)
  const [message, setMessage] = useState<string | null>(null)
  const decide: Decide = async (groups, sure, accept) => {
    setBusy(true)
    try {
      const all = groups.filter((g) => sure === 0 || g.sure > 0).map((g) => ({ key: g.key, value: g.value, sure, accept }))
      const { decided } = await post('/api/v1/map/labels', { all })
      setMessage(`${many(decided, 'label')} ${accept ? 'accepted' : 'refused'}. The map follows in a moment.`)
      reload()
    } catch (cause) {
      setMessage(cause instanceof ApiError ? cause.message : String(cause))
    } finally {
      setBusy(false)
    }
  }
  return { busy, message, decide }
}

function Group({ group: g, busy, decide }: { group: ProposalGroup; busy: boolean; decide: Decide }) {
  const [open, setOpen] = useState(false)
  return (
    <li className="card">
      <div className="label-group">
        <button type="button" className="inline" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span className="label">
            <span>{g.key}</span>
            {g.value}
          </span>
        </button>
        <em>{many(g.nodes, 'workload')}</em>
        <span className={`sure${g.mean < 0.6 ? ' low' : ''}`} title={`mean confidence; the least certain has ${Math.round(g.least * 100)} %`}>
          <i style={{ width: `${Math.round(g.mean * 100)}%` }} />
          <b>{Math.round(g.mean * 100)} %</b>
        </span>
        <span className="note why">{g.examples[0]?.why}</span>
        <button type="button" className="button" disabled={busy} onClick={() => void decide([g], 0, true)}>
          Accept all
        </button>
        <button type="button" className="button plain" disabled={busy} onClick={() => void decide([g], 0, false)}>
          Refuse
        </button>
      </div>
      {open ? (
        <ul className="plain-list">
          {g.examples.map((p) => (
            <li key={p.node}>
              <a href={`/map?box=${encodeURIComponent(`node:${p.node}`)}&focus=${encodeURIComponent(`node:${p.node}`)}`}>{p.name}</a> <em>{Math.round(p.confidence * 100)} %</em> {p.why}
            </li>
          ))}
          {g.nodes > g.examples.length ? <li className="note">The least certain of {count(g.nodes)} are listed.</li> : null}
        </ul>
      ) : null}
    </li>
  )
}
