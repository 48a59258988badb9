import { memo, useMemo } from 'react'
import type { Link, View } from '../../api/types'
import { count, shortService } from '../../words'
import { placeLabels, presence, route, weight, type Curve } from './route'
import type { Lit, Selection } from './selection'

interface Props {
  view: View
  lit: Lit | null
  selection: Selection
  /** How much larger than the drawing labels are, so that they can be read from afar. */
  scale: number
  onSelect: (s: Selection) => void
  onHover: (s: Selection) => void
}

/** All links of the drawing, and labels for those that stand out. */
export const Links = memo(function Links({ view, lit, selection, scale, onSelect, onHover }: Props) {
  const curves = useMemo(() => route(view.boxes, view.links, obstaclesOf(view)), [view])
  const most = Math.max(1, ...view.links.map((l) => l.flows))
  const order = useMemo(() => paintOrder(view.links.length, lit), [view, lit])
  const tags = labelled(lit, selection)
  const texts = tags.map((i) => textOf(view.links[i]!))
  const closed = view.boxes.filter((b) => !b.open)
  const spots = placeLabels(tags.map((i) => curves[i]!), texts.map(widthOf), closed, scale)
  return (
    <svg className="links" width={view.size.w} height={view.size.h} aria-hidden="true">
      {order.map((i) => (
        <LinkShape key={i} link={view.links[i]!} curve={curves[i]!} view={view} how={lit?.links.get(i)} most={most} dim={lit !== null} selection={selection} onSelect={onSelect} onHover={onHover} />
      ))}
      {route(view.boxes, lit?.hops ?? []).map((c) => (
        <g key={c.d} className="link trace">
          <path className="stroke" d={c.d} />
        </g>
      ))}
      {tags.map((i, k) => {
        const spot = spots[k]
        return spot ? <Label key={`l${i}`} text={texts[k]!} at={spot} how={lit?.links.get(i) ?? 'self'} /> : null
      })}
    </svg>
  )
})

const mostDetoured = 400 // links; with more, lines behind boxes are the least problem

/** Closed boxes at the top: what lines should not seem to end at. */
function obstaclesOf(view: View): number[] {
  if (view.links.length > mostDetoured) return []
  return view.boxes.flatMap((b, i) => (b.parent < 0 ? [i] : []))
}

/** Links that stand out are painted last. */
function paintOrder(n: number, lit: Lit | null): number[] {
  const order = Array.from({ length: n }, (_, i) => i)
  return lit === null ? order : order.sort((a, b) => Number(lit.links.has(a)) - Number(lit.links.has(b)) || a - b)
}

const mostLabels = 40

/** Links that get a label: those that stand out, but not those within an opened box, where there is no room. */
function labelled(lit: Lit | null, selection: Selection): number[] {
  if (lit === null) return []
  const link = selection !== null && 'from' in selection
  return [...lit.links].filter(([, how]) => link || how !== 'self').map(([i]) => i).slice(0, mostLabels)
}

interface ShapeProps extends Omit<Props, 'scale'> {
  link: Link
  curve: Curve
  how: 'out' | 'in' | 'self' | 'trace' | undefined
  dim: boolean
  /** Flows of the busiest link. */
  most: number
}

function LinkShape({ link, curve, view, how, dim, most, onSelect, onHover }: Omit<ShapeProps, 'lit'>) {
  const ends = { from: view.boxes[link.from]?.id ?? '', to: view.boxes[link.to]?.id ?? '' }
  const kind = how ?? (dim ? 'dim' : 'plain')
  const blocked = link.blocked ? (link.blocked === link.dependencies ? ' blocked' : ' blocked part') : ''
  return (
    <g className={`link ${kind}${link.confidence < 60 ? ' unsure' : ''}${link.new ? ' new' : ''}${blocked}`}>
      <path className="stroke" d={curve.d} strokeWidth={weight(link.flows)} strokeOpacity={how || dim ? undefined : presence(link.flows, most)} />
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

function textOf(link: Link): string {
  const first = link.services[0]
  if (!first) return ''
  const more = link.kinds - 1
  const blocked = link.blocked ? ` · ${link.blocked === link.dependencies ? 'blocked' : `${count(link.blocked)} of ${count(link.dependencies)} blocked`}` : ''
  return `${shortService(first.service)}${more > 0 ? ` +${more}` : ''} · ${count(link.flows)}${blocked}`
}

function widthOf(text: string): number {
  return text.length * 6.4 + 16
}

function Label({ text, at, how }: { text: string; at: { x: number; y: number }; how: 'out' | 'in' | 'self' | 'trace' }) {
  const width = widthOf(text)
  return (
    <g className={`tag ${how}`} transform={`translate(${at.x} ${at.y})`}>
      <g>
        <rect x={-width / 2} y={-10} width={width} height={20} rx={10} />
        <text textAnchor="middle" dy="4">
          {text}
        </text>
      </g>
    </g>
  )
}
