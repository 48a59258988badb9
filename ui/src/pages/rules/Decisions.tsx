import { useEffect, useState } from 'react'
import { ApiError, post } from '../../api/client'
import type { Decision } from '../../api/types'
import { PriorityMark } from '../../parts/PriorityMark'
import { Empty } from '../../parts/States'
import { count, many, time, title } from '../../words'
import { RuleRow } from './PolicyCard'

type Answer = 'allow' | 'deny' | 'watch'

/** What was seen but is not allowed silently: a person says allow, deny or watch. */
export function Decisions({ decisions, onDone }: { decisions: readonly Decision[]; onDone: () => void }) {
  useEffect(() => {
    // A link from the simulation names a card.
    const id = decodeURIComponent(window.location.hash.slice(1))
    if (id !== '') document.getElementById(id)?.scrollIntoView({ block: 'center' })
  }, [])
  if (decisions.length === 0) {
    return (
      <Empty title="Nothing to decide">
        <p>Every dependency seen is either allowed by a rule or a probe that is denied.</p>
      </Empty>
    )
  }
  return (
    <div className="cards">
      {[...decisions].sort((a, b) => Number(a.answer !== '') - Number(b.answer !== '')).map((d) => (
        <DecisionCard key={d.id} decision={d} onDone={onDone} />
      ))}
    </div>
  )
}

function isAnswer(text: string): text is Answer {
  return text === 'allow' || text === 'deny' || text === 'watch'
}

function DecisionCard({ decision: d, onDone }: { decision: Decision; onDone: () => void }) {
  const [state, setState] = useState<Answer | 'busy' | null>(isAnswer(d.answer) ? d.answer : null)
  const [problem, setProblem] = useState<string | null>(null)
  const answer = async (a: Answer) => {
    setState('busy')
    try {
      await post('/api/v1/recommendation/decisions', { id: d.id, answer: a })
      setState(a)
      setProblem(null)
      onDone()
    } catch (cause) {
      setState(null)
      setProblem(cause instanceof ApiError ? cause.message : String(cause))
    }
  }
  return (
    <article id={d.id} className={`card decision${d.answer === '' ? '' : ' decided'}`}>
      <header>
        <span className="concern">{title(d.concern)}</span>
        <PriorityMark priority={d.priority} words />
      </header>
      <h2>{d.title}</h2>
      <p>{d.why}</p>
      <p className="note">
        {many(d.total, 'dependency', 'dependencies')}, first seen {time(d.stats.first)}
      </p>
      <details>
        <summary>What “allow” would add to {d.policy === '' ? 'every policy that protects these servers' : d.policy}</summary>
        <ul className="rules">
          <RuleRow rule={d.rule} />
        </ul>
      </details>
      <details>
        <summary>Who and what</summary>
        <ul className="plain-list">
          {d.dependencies.slice(0, 10).map((x, i) => (
            <li key={i}>
              {x.client.name} → {x.server.name} <span className="mono">{x.service}</span> <em>{count(x.flows)}</em>
            </li>
          ))}
        </ul>
      </details>
      <div className="actions">
        {(['allow', 'deny', 'watch'] as const).map((a) => (
          <button key={a} type="button" className={`button ${a}`} disabled={state === 'busy'} aria-pressed={state === a} onClick={() => void answer(a)}>
            {title(a)}
          </button>
        ))}
      </div>
      {problem ? <p role="alert">{problem}</p> : null}
    </article>
  )
}
