import type { Priority } from '../api/types'

const steps: Readonly<Record<Priority, number>> = { low: 1, medium: 2, high: 3, critical: 4 }

/** Priority as rising bars: readable without colour. */
export function PriorityMark({ priority, words = false }: { priority: Priority; words?: boolean }) {
  const n = steps[priority]
  return (
    <span className={`priority p-${priority}`} title={`Priority: ${priority}`}>
      <svg viewBox="0 0 18 14" width="16" height="12" aria-hidden="true">
        {[0, 1, 2, 3].map((i) => (
          <rect key={i} x={i * 4.6} y={9 - i * 3} width="3.2" height={5 + i * 3} rx="0.8" className={i < n ? 'on' : 'off'} />
        ))}
      </svg>
      {words ? <span>{priority}</span> : null}
    </span>
  )
}
