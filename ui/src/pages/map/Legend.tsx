/** What the lines mean; only what can be seen right now. */
export function Legend({ judged, chosen, traced }: { judged: boolean; chosen: boolean; traced: boolean }) {
  const entries: [string, string][] = traced
    ? [['trace', 'a way in, step by step']]
    : judged
    ? [
        ['ok', 'allowed by the rules'],
        ['no', 'would be blocked'],
      ]
    : chosen
      ? [
          ['out', 'uses'],
          ['in', 'is used by'],
        ]
      : [
          ['', 'uses, thicker with more flows'],
          ['unsure', 'direction not sure'],
        ]
  return (
    <div className="legend" aria-hidden="true">
      {entries.map(([name, text]) => (
        <span key={text} className={name}>
          <svg width="30" height="10">
            <path d="M1 5H27M22 1l5 4-5 4" />
          </svg>
          {text}
        </span>
      ))}
    </div>
  )
}
