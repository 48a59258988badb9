import { memo, useMemo } from 'react'
import type { Link, View } from '../../api/types'
import { count, shortService } from '../../words'
import { route, weight, type Curve } from './route'
import type { Lit, Selection } from './selection'

interface Props {
  view: View
  lit: Lit | null
  selection: Selection
  onSelect: (s: Selection) => void
  onHover: (s: Selection) => void
}

/** All links of the drawing, and labels for those that stand out. */
export const Links = memo(function Links({ view, lit, selection, onSelect, onHover }: Props) {
  const curves = useMemo(() => route(view.boxes, view.links), [view])
  const order = useMemo(() => paintOrder(view.links.length, lit), [view, lit])
  return (
    <svg className="links" width={view.size.w} height={view.size.h} aria-hidden="true">
      {order.map((i) => (
        <LinkShape key={i} link={view.links[i]!} curve={curves[i]!} view={view} how={lit?.links.get(i)} dim={lit !== null} selection={selection} onSelect={onSelect} onHover={onHover} />
      ))}
      {lit === null ? null : [...lit.links.keys()].slice(0, 60).map((i) => <Label key={`l${i}`} link={view.links[i]!} curve={curves[i]!} how={lit.links.get(i)!} />)}
    </svg>
  )
})

/** Links that stand out are painted last. */
function paintOrder(n: number, lit: Lit | null): number[] {
  const order = Array.from({ length: n }, (_, i) => i)
  return lit === null ? order : order.sort((a, b) => Number(lit.links.has(a)) - Number(lit.links.has(b)) || a - b)
}

interface ShapeProps extends Props {
  link: Link
  curve: Curve
  how: 'out' | 'in' | 'self' | undefined
  dim: boolean
}

function LinkShape({ link, curve, view, how, dim, onSelect, onHover }: Omit<ShapeProps, 'lit'>) {
  const ends = { from: view.boxes[link.from]?.id ?? '', to: view.boxes[link.to]?.id ?? '' }
  const kind = how ?? (dim ? 'dim' : 'plain')
  return (
    <g className={`link ${kind}${link.confidence < 60 ? ' unsure' : ''}${link.new ? ' new' : ''}`}>
      <path className="stroke" d={curve.d} strokeWidth={weight(link.flows)} />
      <path
        className="hit"
        d={curve.d}
        data-link={`${ends.from}→${ends.to}`}
        onClick={() => onSelect(ends)}
        onPointerEnter={() => onHover(ends)}
        onPointerLeave={() => onHover(null)}
      />
    </g>
  )
}

function Label({ link, curve, how }: { link: Link; curve: Curve; how: 'out' | 'in' | 'self' }) {
  const first = link.services[0]
  if (!first) return null
  const more = link.kinds - 1
  const text = `${shortService(first.service)}${more > 0 ? ` +${more}` : ''} · ${count(link.flows)}`
  const width = text.length * 6.4 + 16
  return (
    <g className={`tag ${how}`} transform={`translate(${curve.middle.x} ${curve.middle.y})`}>
      <rect x={-width / 2} y={-10} width={width} height={20} rx={10} />
      <text textAnchor="middle" dy="4">
        {text}
      </text>
    </g>
  )
}
