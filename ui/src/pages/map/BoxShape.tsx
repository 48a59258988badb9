import { memo } from 'react'
import type { Box } from '../../api/types'
import { PriorityMark } from '../../parts/PriorityMark'
import { count, infraName, many, middle, title } from '../../words'
import { KindIcon } from './KindIcon'
import { heat, shadeWords } from './shade'
import type { Lit, Selection } from './selection'

interface Props {
  box: Box
  index: number
  lit: Lit | null
  selection: Selection
  onSelect: (s: Selection) => void
  onToggle: (id: string) => void
  onHover: (s: Selection) => void
}

/** One box of the drawing. Enter or a click chooses it, a double click or the space bar opens it. */
export const BoxShape = memo(function BoxShape({ box, index, lit, selection, onSelect, onToggle, onHover }: Props) {
  const chosen = selection !== null && 'box' in selection && selection.box === box.id
  const classes = ['box', box.kind, `p-${box.priority}`]
  if (box.open) classes.push('open')
  if (chosen) classes.push('chosen')
  if (lit !== null && !lit.boxes.has(index)) classes.push('dim')
  if (box.parent < 0) classes.push('outer')
  const warmth = heat(box)
  if (warmth !== null) classes.push(`heat-${warmth}`)
  const name = nameOf(box)
  return (
    <div
      className={classes.join(' ')}
      style={{ left: box.x, top: box.y, width: box.w, height: box.h }}
      data-box={box.id}
      onPointerEnter={box.open ? undefined : () => onHover({ box: box.id })}
      onPointerLeave={box.open ? undefined : () => onHover(null)}
    >
      <button
        type="button"
        className="face"
        title={box.kind === 'workload' || box.kind === 'address' ? box.name : undefined}
        aria-pressed={chosen}
        onClick={() => onSelect(chosen ? null : { box: box.id })}
        onDoubleClick={() => box.opens && onToggle(box.id)}
        onKeyDown={(e) => {
          if (e.key !== ' ' || !box.opens) return
          e.preventDefault()
          onToggle(box.id)
        }}
      >
        <span className="name">
          <KindIcon kind={box.kind} infra={box.infra} />
          <span className="text">{name}</span>
          {box.priority === 'critical' || box.priority === 'high' ? <PriorityMark priority={box.priority} /> : null}
        </span>
        {warmth === null ? <Meta box={box} /> : <span className="meta">{shadeWords(box)}</span>}
        <span className="unseen">
          {' '}
          {kindName(box)}, priority {box.priority}
        </span>
      </button>
      {box.opens ? (
        <button type="button" className="opener" aria-expanded={box.open ?? false} aria-label={`${box.open ? 'Close' : 'Open'} ${name}`} title={box.open ? 'Close' : 'Open'} onClick={() => onToggle(box.id)}>
          {box.open ? '−' : '+'}
        </button>
      ) : null}
    </div>
  )
})

function nameOf(box: Box): string {
  if (box.kind === 'infrastructure') return infraName(box.infra ?? box.name)
  if (box.kind === 'more') return box.parent < 0 ? `${count(box.parts?.length ?? 0)}+ more` : `${count(box.nodes)} more`
  if (box.kind === 'workload' || box.kind === 'address') return middle(box.name, 16)
  return title(box.name)
}

function kindName(box: Box): string {
  return box.kind === 'infrastructure' ? 'shared infrastructure' : box.kind
}

const outsideNote: Readonly<Partial<Record<Box['kind'], string>>> = {
  network: 'named network',
  internet: 'all other addresses',
  nat: 'many behind one address',
  multicast: 'groups and broadcast',
}

/** The lines under the name: how much it holds, and of what. */
function Meta({ box }: { box: Box }) {
  if (box.kind === 'workload' || box.kind === 'address') return box.note ? <span className="meta">{box.note}</span> : null
  const plain = outsideNote[box.kind]
  if (plain !== undefined) return <span className="meta">{box.note ?? plain}</span>
  if (box.kind === 'domains') return <span className="meta">{many(box.nodes, 'domain name')}</span>
  if (box.kind === 'alike') {
    return (
      <>
        <span className="meta">
          {many(box.nodes, 'workload')} · {box.note}
        </span>
        {box.open ? null : <span className="parts">{box.parts?.map((p) => title(p.name)).join(', ')}</span>}
      </>
    )
  }
  const news = box.new ? <span className="fresh">{count(box.new)} new</span> : null
  return (
    <>
      <span className="meta">
        {many(box.nodes, 'workload')}
        {box.open || !box.parts || box.parts.length < 2 ? null : ` · ${many(box.parts.length, 'role')}`}
        {news}
      </span>
      {box.open || !box.parts ? null : <span className="parts">{box.parts.map((p) => p.name).join(' · ')}</span>}
    </>
  )
}
