import { count, percent } from '../words'

/** A share as a bar, with the numbers behind it. */
export function Meter({ label, part, whole, unit }: { label: string; part: number; whole: number; unit: string }) {
  return (
    <div className="meter">
      <p>
        <strong>{percent(part, whole)}</strong> {label}
      </p>
      <div className="bar" aria-hidden="true">
        <i style={{ width: whole > 0 ? `${(100 * part) / whole}%` : 0 }} />
      </div>
      <p className="note">
        {count(part)} of {count(whole)} {unit}
      </p>
    </div>
  )
}
