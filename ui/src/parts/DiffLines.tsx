/** What changed, one line each: "+ " comes, "- " goes, "~ " changes; anything else is a sentence. */
export function DiffLines({ lines, total = lines.length }: { lines: readonly string[]; total?: number }) {
  if (lines.length === 0) return <p className="note">Nothing differs.</p>
  return (
    <>
      <ul className="diff">
        {lines.map((line, i) => {
          const sign = signs[line.slice(0, 2)]
          return (
            <li key={i} className={sign?.[0] ?? ''}>
              {sign ? <span className="unseen">{sign[1]}</span> : null}
              {sign ? <b aria-hidden="true">{line[0] === '-' ? '−' : line[0]}</b> : null}
              <span>{sign ? line.slice(2) : line}</span>
            </li>
          )
        })}
      </ul>
      {total > lines.length ? <p className="note">{`The first ${lines.length} of ${total} lines.`}</p> : null}
    </>
  )
}

const signs: Readonly<Record<string, readonly [string, string]>> = {
  '+ ': ['comes', 'added: '],
  '- ': ['goes', 'removed: '],
  '~ ': ['changes', 'changed: '],
}
