import { describe, expect, it } from 'vitest'
import type { Box, Link, View } from '../../api/types'
import { around, centreOn, fit, follow, keepInSight, seeAll, zoomAt } from './camera'
import { cellSize, gridOf, step, strength } from './matrix'
import { bySameLabel } from './Proposals'
import { placeLabels, presence, route, sides, weight } from './route'
import { litBy, litByTrace, same } from './selection'
import { heat, shadeWords } from './shade'

const at = (x: number, y: number, w = 100, h = 50) => ({ x, y, w, h })

describe('sides', () => {
  it.each([
    ['to the right', at(0, 0), at(300, 0), ['right', 'left']],
    ['to the left', at(300, 0), at(0, 0), ['left', 'right']],
    ['below', at(0, 0), at(20, 200), ['bottom', 'top']],
    ['above', at(0, 200), at(20, 0), ['top', 'bottom']],
    ['overlapping', at(0, 0), at(50, 20), ['right', 'right']],
  ])('%s', (_, a, b, want) => expect(sides(a, b)).toEqual(want))
})

describe('route', () => {
  it('spreads ends in the order of what they lead to', () => {
    const boxes = [at(0, 100), at(300, 0), at(300, 200)]
    const [low, high] = route(boxes, [
      { from: 0, to: 2 },
      { from: 0, to: 1 },
    ])
    const startY = (d: string) => Number(d.slice(1).split('C')[0]!.split(' ')[1])
    expect(startY(high!.d)).toBeLessThan(startY(low!.d))
  })
  it('answers for every wire, even to boxes that are not there', () => {
    const curves = route([at(0, 0)], [{ from: 0, to: 7 }])
    expect(curves).toEqual([{ d: '', middle: { x: 0, y: 0 }, spots: [] }])
  })
  it('goes beside boxes in its way down', () => {
    const boxes = [at(0, 0), at(0, 200), at(0, 400)]
    const behind = route(boxes, [{ from: 0, to: 2 }])[0]!
    const beside = route(boxes, [{ from: 0, to: 2 }], [0, 1, 2])[0]!
    const inside = (p: { x: number; y: number }) => p.x > 0 && p.x < boxes[1]!.w && p.y > 200 && p.y < 200 + boxes[1]!.h
    expect(inside(behind.middle)).toBe(true)
    expect(beside.spots.some(inside)).toBe(false)
  })
  it('goes in from the side where there is no room below', () => {
    const boxes = [at(0, 0), at(0, 200), at(0, 262)]
    const { d } = route(boxes, [{ from: 0, to: 2 }], [0, 1, 2])[0]!
    const ends = [...d.matchAll(/L([-\d.]+) ([-\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])])
    expect(ends.some(([x, y]) => (x === -5 || x === 105) && y === 287)).toBe(true)
  })
  it('puts labels where nothing else is', () => {
    const boxes = [at(0, 0), at(500, 0), at(500, 20)]
    const curves = route(boxes, [{ from: 0, to: 1 }, { from: 0, to: 2 }])
    const [p, q] = placeLabels(curves, [90, 90], boxes)
    expect(Math.abs(p!.x - q!.x) >= 90 || Math.abs(p!.y - q!.y) >= 22).toBe(true)
  })
  it('goes around boxes in its way', () => {
    const boxes = [at(0, 100), at(300, 100), at(600, 100)]
    const behind = route(boxes, [{ from: 0, to: 2 }])[0]!
    const around = route(boxes, [{ from: 0, to: 2 }], [0, 1, 2])[0]!
    expect(behind.d).not.toEqual(around.d)
    expect(around.middle.y < 100 || around.middle.y > 150).toBe(true)
    expect(around.middle.x).toBeGreaterThan(280)
  })
  it('keeps anchors on the box however many there are', () => {
    const boxes = [at(0, 0), ...Array.from({ length: 60 }, (_, i) => at(400, i * 60))]
    const curves = route(boxes, boxes.slice(1).map((_, i) => ({ from: 0, to: i + 1 })))
    for (const c of curves) {
      const y = Number(c.d.slice(1).split('C')[0]!.split(' ')[1])
      expect(y).toBeGreaterThanOrEqual(0)
      expect(y).toBeLessThanOrEqual(50)
    }
  })
})

it('weighs links within bounds', () => {
  expect(weight(0)).toBe(1)
  expect(weight(1e12)).toBeLessThanOrEqual(4.2)
  expect(presence(10, 10)).toBeCloseTo(0.75)
  expect(presence(0, 0)).toBeCloseTo(0.32)
})

describe('camera', () => {
  it('leaves alone what is in sight, and moves as little as needed', () => {
    const c = { x: 0, y: 0, zoom: 1 }
    const screen = { w: 1000, h: 800 }
    expect(keepInSight(c, { x: 100, y: 100, w: 200, h: 100 }, screen)).toEqual(c)
    expect(keepInSight(c, { x: 900, y: 100, w: 200, h: 100 }, screen)).toEqual({ x: -140, y: 0, zoom: 1 })
  })

  it('sees all of a path from further away', () => {
    const path = around([{ x: 0, y: 300, w: 100, h: 50 }, { x: 1740, y: 0, w: 100, h: 50 }])
    expect(path).toEqual({ x: 0, y: 0, w: 1840, h: 350 })
    const c = seeAll({ x: 0, y: 100, zoom: 1 }, path, { w: 1000, h: 800 })
    expect(c.zoom).toBeCloseTo(0.5)
    expect(c.x).toBeCloseTo(40)
    expect(seeAll(c, path, { w: 1000, h: 800 })).toEqual(c)
  })

  it('fits without enlarging', () => {
    expect(fit({ w: 100, h: 100 }, { w: 1000, h: 800 }).zoom).toBe(1)
    expect(fit({ w: 2000, h: 100 }, { w: 1056, h: 800 }).zoom).toBeCloseTo(0.5)
  })
  it('zooms about a point that stays', () => {
    const c = zoomAt({ x: 10, y: 20, zoom: 1 }, 2, 100, 100)
    expect([(100 - c.x) / c.zoom, (100 - c.y) / c.zoom]).toEqual([90, 80])
  })
  it('follows a box that moved', () => {
    const c = follow({ x: 0, y: 0, zoom: 0.5 }, { x: 100, y: 100 }, { x: 300, y: 100 })
    expect(c.x + 300 * c.zoom).toBe(50)
  })
  it('centres', () => {
    const c = centreOn({ x: 0, y: 0, zoom: 1 }, { x: 100, y: 100, w: 50, h: 50 }, { w: 800, h: 600 })
    expect(c.x + 125 * c.zoom).toBe(400)
  })
})

const box = (id: string, parent = -1, open = false): Box => ({ id, parent, open, kind: 'application', name: id, nodes: 1, priority: 'low', x: 0, y: 0, w: 1, h: 1 })
const link = (from: number, to: number): Link => ({ from, to, services: [], kinds: 0, dependencies: 1, flows: 1, bytes: 1, last: '', confidence: 100 })
const view = { boxes: [box('a', -1, true), box('a1', 0), box('b'), box('c')], links: [link(1, 2), link(2, 3)] } as unknown as View

describe('litBy', () => {
  it('lights a box, what is inside, and its neighbours', () => {
    const lit = litBy(view, { box: 'a' })!
    expect([...lit.boxes].sort()).toEqual([0, 1, 2])
    expect([...lit.links]).toEqual([[0, 'out']])
  })
  it('lights incoming links as such', () => expect(litBy(view, { box: 'c' })!.links.get(1)).toBe('in'))
  it('lights a link with both ends and what they are in', () => expect([...litBy(view, { from: 'a1', to: 'b' })!.boxes].sort()).toEqual([0, 1, 2]))
  it('lights nothing for what is not drawn', () => expect(litBy(view, { box: 'zzz' })).toBeNull())
  it('traces a path through what is drawn, and links that are folded', () => {
    const lit = litByTrace(view, [['a', 'a1', 'node:x'], ['b'], ['c'], ['a']])
    expect([...lit.links.keys()]).toEqual([0, 1])
    expect(lit.hops).toEqual([{ from: 3, to: 0 }])
  })
  it('compares selections by value', () => {
    expect(same({ box: 'a' }, { box: 'a' })).toBe(true)
    expect(same({ from: 'a', to: 'b' }, { box: 'a' })).toBe(false)
  })
})

it('groups proposals by label, the most frequent first', () => {
  const p = (node: string, value: string) => ({ node, name: node, key: 'role', value, confidence: 0.9, why: '' })
  expect(bySameLabel([p('1', 'db'), p('2', 'web'), p('3', 'web')]).map(([label, list]) => [label, list.length])).toEqual([
    ['role=web', 2],
    ['role=db', 1],
  ])
})

describe('matrix', () => {
  const grid = gridOf(view)
  it('has a row for who uses and a column for who is used', () => {
    expect(grid.rows).toEqual([1, 2])
    expect(grid.columns).toEqual([2, 3])
    expect([...grid.cells]).toEqual([
      [0, 0],
      [3, 1],
    ])
  })
  it('steps to the next cell that has something, and stays at the border', () => {
    expect(step(grid, { row: 0, column: 0 }, 1, 0)).toEqual({ row: 0, column: 0 })
    expect(step(grid, { row: 0, column: -1 }, 1, 0)).toEqual({ row: 0, column: 0 })
    expect(step(grid, { row: 0, column: 1 }, 0, 1)).toEqual({ row: 1, column: 1 })
  })
  it('keeps cells large enough to point at', () => {
    const many = { rows: Array.from({ length: 2000 }, (_, i) => i), columns: [1], cells: new Map() }
    expect(cellSize(many, 1000, 800)).toBe(12)
    expect(cellSize(grid, 1000, 800)).toBe(22)
  })
  it('draws rare use faintly, not invisibly', () => {
    expect(strength({ ...link(0, 1), flows: 0 }, 1e6)).toBeCloseTo(0.15)
    expect(strength({ ...link(0, 1), flows: 1e6 }, 1e6)).toBeCloseTo(1)
  })
})

describe('shade', () => {
  it('goes by the draft where there is one, in five steps with words', () => {
    const cases: [Pick<Box, 'spread' | 'waiting'>, number | null, string][] = [
      [{}, null, ''],
      [{ spread: { today: 0 } }, 0, 'reaches 0 %'],
      [{ spread: { today: 0.714 } }, 4, 'reaches 71 %'],
      [{ spread: { today: 0.714, draft: 0.031 } }, 1, '71 % → 3.1 %'],
      [{ waiting: { policy: 'p', atRisk: 0, coverage: 1, halveAfterDays: 0, horizonDays: 30 } }, 0, 'ready'],
      [{ waiting: { policy: 'p', atRisk: 2.49, coverage: 1, halveAfterDays: 5, horizonDays: 30 } }, 2, '2.5 at risk'],
    ]
    for (const [box, step, words] of cases) {
      expect(heat(box)).toBe(step)
      expect(shadeWords(box)).toBe(words)
    }
  })
})
