// What the colour of a box means: how far a compromise of it spreads, or how much
// would probably break if it were enforced today. Five steps, always with words.
import type { Box, ExposurePair } from '../../api/types'
import { percent } from '../../words'

/** 0 (nothing) to 4, null for a box that is not shaded. */
export function heat(box: Pick<Box, 'spread' | 'waiting'>): number | null {
  if (box.spread) return step(box.spread.draft ?? box.spread.today, [0.001, 0.05, 0.2, 0.5])
  if (box.waiting) return step(box.waiting.atRisk, [0.05, 1, 5, 20])
  return null
}

function step(value: number, from: readonly [number, number, number, number]): number {
  return from.filter((f) => value >= f).length
}

function share(part: number): string {
  if (part === 0) return '0 %'
  return part >= 0.1 ? `${Math.round(part * 100)} %` : percent(Math.max(1, Math.round(part * 10_000)), 10_000)
}

/** "42 % → 3 %", today and then: short enough for a box. */
export function shadeWords(box: Pick<Box, 'spread' | 'waiting'>): string {
  if (box.spread) {
    const today = share(box.spread.today)
    return box.spread.draft === undefined ? `reaches ${today}` : `${today} → ${share(box.spread.draft)}`
  }
  const w = box.waiting
  if (!w) return ''
  if (w.atRisk < 0.05) return 'ready'
  const risk = w.atRisk < 10 ? w.atRisk.toFixed(1) : Math.round(w.atRisk)
  return `${risk} at risk`
}

/** What the steps mean, and the figure of the whole estate. */
export function ShadeLegend({ shade, exposure }: { shade: 'reach' | 'readiness'; exposure: ExposurePair | undefined }) {
  const ends = shade === 'reach' ? ['reaches nobody', 'more than half'] : ['ready', 'much unseen']
  return (
    <div className="legend shades">
      <span>{ends[0]}</span>
      <span className="steps" aria-hidden="true">
        {[0, 1, 2, 3, 4].map((n) => (
          <i key={n} className={`heat-${n}`} />
        ))}
      </span>
      <span>{ends[1]}</span>
      {exposure ? (
        <span className="exposure">
          on average <b>{share(exposure.today.mean)}</b>
          {exposure.draft ? (
            <>
              {' → '}
              <b>{share(exposure.draft.mean)}</b>
            </>
          ) : null}{' '}
          of the others
        </span>
      ) : null}
    </div>
  )
}
