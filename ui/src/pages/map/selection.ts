import type { View } from '../../api/types'

/** What is chosen: a box, a link between two, or nothing. */
export type Selection = { box: string } | { from: string; to: string } | null

/** What a selection makes stand out; everything else is dimmed. */
export interface Lit {
  boxes: ReadonlySet<number>
  /** Links by index: "out" of the chosen box, "in" to it, or chosen themselves. */
  links: ReadonlyMap<number, 'out' | 'in' | 'self' | 'trace'>
  /** Hops of a path between boxes whose link is folded. */
  hops?: readonly { from: number; to: number }[]
}

/** Hops of a path, each with the boxes it may be drawn in, outermost first. */
export type Trace = readonly (readonly string[])[]

export function same(a: Selection, b: Selection): boolean {
  if (a === null || b === null) return a === b
  if ('box' in a) return 'box' in b && a.box === b.box
  return 'from' in b && a.from === b.from && a.to === b.to
}

/** The boxes and links that a selection concerns; null when it chooses nothing drawn. */
export function litBy(view: View, selection: Selection): Lit | null {
  if (selection === null) return null
  const boxes = new Set<number>()
  const links = new Map<number, 'out' | 'in' | 'self'>()
  if ('from' in selection) {
    view.links.forEach((l, i) => {
      if (view.boxes[l.from]?.id !== selection.from || view.boxes[l.to]?.id !== selection.to) return
      links.set(i, 'self')
      boxes.add(l.from).add(l.to)
    })
    return links.size === 0 ? null : { boxes: withParents(view, boxes), links }
  }
  const chosen = view.boxes.findIndex((b) => b.id === selection.box)
  if (chosen < 0) return null
  const inside = descendants(view, chosen)
  inside.forEach((i) => boxes.add(i))
  view.links.forEach((l, i) => {
    const from = inside.has(l.from)
    const to = inside.has(l.to)
    if (!from && !to) return
    links.set(i, from && to ? 'self' : from ? 'out' : 'in')
    boxes.add(l.from).add(l.to)
  })
  return { boxes: withParents(view, boxes), links }
}

/** The boxes and links that a path of hops runs through, as far as they are drawn. */
export function litByTrace(view: View, trace: Trace): Lit {
  const at = new Map(view.boxes.map((b, i) => [b.id, i]))
  // Hops within a class of boxes that look alike stand in its box, which no path knows.
  const stops = trace.map((boxes) => boxes.map((id) => at.get(id)).findLast((i) => i !== undefined))
  const boxes = new Set<number>(stops.filter((i) => i !== undefined))
  const links = new Map<number, 'trace'>()
  view.links.forEach((l, i) => {
    if (stops.some((s, k) => s === l.from && stops[k + 1] === l.to)) links.set(i, 'trace')
  })
  const hops = stops.flatMap((from, k) => {
    const to = stops[k + 1]
    const drawn = [...links.keys()].some((i) => view.links[i]?.from === from && view.links[i]?.to === to)
    return from === undefined || to === undefined || from === to || drawn ? [] : [{ from, to }]
  })
  return { boxes: withParents(view, boxes), links, hops }
}

function descendants(view: View, box: number): Set<number> {
  const inside = new Set([box])
  view.boxes.forEach((b, i) => {
    if (inside.has(b.parent)) inside.add(i) // parents come before children
  })
  return inside
}

function withParents(view: View, boxes: Set<number>): Set<number> {
  for (const i of [...boxes]) {
    for (let p = view.boxes[i]?.parent ?? -1; p >= 0; p = view.boxes[p]?.parent ?? -1) boxes.add(p)
  }
  return boxes
}
