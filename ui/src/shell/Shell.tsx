import type { MouseEvent, ReactNode } from 'react'
import { useJobs } from '../api/events'
import { navigate, useAddress, type PageName } from '../url'
import { ThemeSwitch } from './ThemeSwitch'

const entries: readonly [PageName, string, string][] = [
  ['map', 'Map', 'Discover: who depends on whom'],
  ['news', 'What’s new', 'Discover: who and what was not there before'],
  ['inventory', 'Inventory', 'Discover: who is there, by name and address'],
  ['labels', 'Labels', 'Discover: what each workload is'],
  ['rules', 'Rules', 'Design: what to allow, with evidence'],
  ['simulation', 'Simulation', 'Design: what those rules would do'],
  ['changes', 'Changes', 'Monitor and enforce: plans, steps, the 48 hours after'],
  ['violations', 'Violations', 'Monitor and enforce: what live policies forbid'],
  ['hosts', 'Hosts', 'Monitor and enforce: agents and gateways'],
  ['status', 'Status', 'What was received, stored and dropped'],
]

/** The frame around every page: name, navigation, jobs under way. */
export function Shell({ page, children }: { page: PageName; children: ReactNode }) {
  const [address] = useAddress()
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <a className="brand" href="/map" onClick={(e) => follow(e, '/map')}>
          <img src="/bulkhead.svg" alt="" width="26" height="26" />
          <span>Bulkhead</span>
        </a>
        <nav aria-label="Pages">
          {entries.map(([name, text, hint]) => {
            const to = `/${name}${kept(address.query)}`
            return (
              <a key={name} href={to} title={hint} aria-current={page === name ? 'page' : undefined} onClick={(e) => follow(e, to)}>
                {text}
              </a>
            )
          })}
        </nav>
        <Jobs />
        <ThemeSwitch />
      </header>
      <main id="content">{children}</main>
    </div>
  )
}

/** What goes along from page to page: the window and the level. */
function kept(query: URLSearchParams): string {
  const out = new URLSearchParams()
  for (const key of ['since', 'until', 'level']) {
    const v = query.get(key)
    if (v) out.set(key, v)
  }
  const text = out.toString()
  return text === '' ? '' : `?${text}`
}

function follow(e: MouseEvent, to: string) {
  if (e.metaKey || e.ctrlKey || e.shiftKey || e.button !== 0) return
  e.preventDefault()
  navigate(to)
}

function Jobs() {
  const running = useJobs().filter((j) => j.state === 'running')
  const job = running[0]
  if (!job) return <span className="jobs" />
  const share = job.total > 0 ? Math.min(1, job.done / job.total) : undefined
  return (
    <span className="jobs" role="status">
      <span className="spinner small" aria-hidden="true" />
      {job.name}
      {share === undefined ? '' : ` ${Math.round(share * 100)} %`}
      {running.length > 1 ? ` and ${running.length - 1} more` : ''}
    </span>
  )
}
