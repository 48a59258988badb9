import type { Level } from '../api/types'

export const levels: readonly [Level, string, string][] = [
  ['ringfence', 'Ringfence', 'Everything inside an application; between applications by service'],
  ['tier', 'Tier', 'Role to role, every service'],
  ['service', 'Service', 'Role to role, by service'],
  ['workload', 'Workload', 'Workload to workload, by service'],
]

export function levelOf(query: URLSearchParams): Level {
  const v = query.get('level')
  return levels.find(([l]) => l === v)?.[0] ?? 'service'
}

/** The four levels from permissive to tight, as a switch. */
export function LevelPick({ level, onChange }: { level: Level; onChange: (l: Level) => void }) {
  return (
    <div className="levels" role="radiogroup" aria-label="How tight">
      {levels.map(([value, text, hint]) => (
        <label key={value} title={hint}>
          <input type="radio" name="level" value={value} checked={level === value} onChange={() => onChange(value)} />
          <span>{text}</span>
        </label>
      ))}
    </div>
  )
}
