import type { View } from '../../api/types'
import { levels } from '../../parts/LevelPick'
import { count, time } from '../../words'
import type { Change } from '../../url'
import { infraOf, shadeOf } from './query'
import { Search } from './Search'

interface Props {
  view: View
  query: URLSearchParams
  onChange: (c: Change) => void
  onFind: (path: readonly string[]) => void
}

const windows = [
  ['', 'everything'],
  ['1h', 'last hour'],
  ['24h', 'last day'],
  ['7d', 'last 7 days'],
  ['30d', 'last 30 days'],
] as const

/** Search, what to group by, which window, infrastructure, and how much of the estate is drawn. */
export function Toolbar({ view, query, onChange, onFind }: Props) {
  const keys = view.keys.filter((k) => k !== 'app')
  const group = query.get('group') ?? ''
  const focus = query.get('focus')
  return (
    <div className="toolbar" role="search">
      <Search query={query} onFind={onFind} />
      <label className="pick">
        <span>Group by</span>
        <select value={group} onChange={(e) => onChange({ group: e.target.value, expand: undefined, box: undefined, link: undefined, focus: undefined })}>
          <option value="">application</option>
          {keys.map((k) => (
            <option key={k} value={k}>
              {k}
            </option>
          ))}
          {keys.includes('env') && keys.includes('role') ? <option value="env,role">env and role</option> : null}
          {keys.includes('env') && keys.includes('loc') ? <option value="env,loc">env and loc</option> : null}
        </select>
      </label>
      <label className="pick">
        <span>Window</span>
        <select value={query.get('since') ?? ''} onChange={(e) => onChange({ since: e.target.value, until: undefined })}>
          {windows.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label className="pick">
        <span>New since</span>
        <select value={query.get('newSince') ?? ''} onChange={(e) => onChange({ newSince: e.target.value })}>
          <option value="">–</option>
          <option value="24h">a day</option>
          <option value="7d">a week</option>
          {['', '24h', '7d'].includes(query.get('newSince') ?? '') ? null : <option value={query.get('newSince') ?? ''}>{time(query.get('newSince') ?? '').slice(0, 10)}</option>}
        </select>
      </label>
      <label className="pick" title="Colour links by what the recommended rules would do">
        <span>Try rules</span>
        <select value={query.get('draft') ?? ''} onChange={(e) => onChange({ draft: e.target.value })}>
          <option value="">none</option>
          {levels.map(([value, text]) => (
            <option key={value} value={value}>
              {text.toLowerCase()}
            </option>
          ))}
        </select>
      </label>
      <label className="pick" title="What the colour of a box means">
        <span>Shade by</span>
        <select value={shadeOf(query)} onChange={(e) => onChange({ shade: e.target.value === 'priority' ? undefined : e.target.value })}>
          <option value="priority">priority</option>
          <option value="reach">blast radius</option>
          <option value="readiness">readiness</option>
        </select>
      </label>
      <div className="levels small" role="radiogroup" aria-label="Show as">
        {(['', 'matrix'] as const).map((as) => (
          <label key={as} title={as === '' ? 'Boxes and lines' : 'One row and column per group: for more than a drawing can hold'}>
            <input type="radio" name="as" checked={(query.get('as') ?? '') === as} onChange={() => onChange({ as, expand: undefined, focus: undefined })} />
            <span>{as === '' ? 'Drawing' : 'Matrix'}</span>
          </label>
        ))}
      </div>
      <label className="switch">
        <input type="checkbox" checked={infraOf(query) === 'show'} onChange={(e) => onChange({ infra: e.target.checked ? 'show' : undefined })} />
        <span title={view.count.folded > 0 ? `${count(view.count.folded)} dependencies on shared infrastructure are folded` : undefined}>
          Infrastructure links{view.count.folded > 0 ? <em> {count(view.count.folded)}</em> : null}
        </span>
      </label>
      {focus ? (
        <button type="button" className="chip closable" onClick={() => onChange({ focus: undefined })}>
          Neighbourhood only <span aria-hidden="true">×</span>
        </button>
      ) : null}
    </div>
  )
}

/** "34 of 9,800": nothing is hidden without saying so. */
export function Drawn({ view, loading }: { view: View; loading: boolean }) {
  const c = view.count
  return (
    <p className="drawn" aria-live="polite">
      <strong>{count(c.shown)}</strong> {c.shown === 1 ? 'box' : 'boxes'} for <strong>{count(c.nodes)}</strong> hosts
      {c.crowded ? <span className="warn"> · too many to draw: the largest are shown</span> : null}
      {c.blocked > 0 ? <span className="warn"> · {count(c.blocked)} dependencies blocked</span> : null}
      {c.new > 0 ? <span className="fresh"> · {count(c.new)} new</span> : null}
      {loading ? <span className="spinner small" role="status" aria-label="Loading" /> : null}
    </p>
  )
}
