import { useCallback, useMemo, useState } from 'react'
import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { View } from '../../api/types'
import { Empty, Failed, Loading } from '../../parts/States'
import { useAddress } from '../../url'
import { Canvas } from './Canvas'
import { LinkPanel } from './LinkPanel'
import { Matrix } from './Matrix'
import { draftOf, isMatrix, mapQuery, scopeQuery, shadeOf } from './query'
import { NodePanel } from './NodePanel'
import type { Selection, Trace } from './selection'
import { Drawn, Toolbar } from './Toolbar'

/** The dependency map: toolbar, drawing, and the panel of what is chosen. */
export function MapPage() {
  const [address, change] = useAddress()
  const query = useMemo(() => mapQuery(address.query), [address.query.toString()])
  const key = `map ${JSON.stringify(query)}`
  const { data: view, error, loading, reload } = useResource(key, (signal) => get('/api/v1/map', query, signal))
  const [seek, setSeek] = useState<string | undefined>()
  const [trace, setTrace] = useState<Trace | null>(null)

  const selection = useMemo(() => selectionOf(address.query), [address.query.toString()])
  const select = useCallback(
    (s: Selection) => {
      setTrace(null)
      change(selectionChange(s), 'replace')
    },
    [change],
  )
  const toggle = useCallback(
    (id: string) => {
      const open = address.query.getAll('expand')
      change({ expand: open.includes(id) ? open.filter((o) => o !== id && !o.startsWith(id + '/')) : [...open, id] })
    },
    [address.query.toString(), change],
  )
  const find = useCallback(
    (path: readonly string[]) => {
      const target = path[path.length - 1]
      if (target === undefined) return
      // A single box may be folded with others alike: opening it takes it out.
      const opened = path.length === 1 && !view?.boxes.some((b) => b.id === target) ? path : path.slice(0, -1)
      const open = new Set([...address.query.getAll('expand'), ...opened])
      change({ expand: [...open], box: target, link: undefined, focus: undefined })
      setSeek(target)
    },
    [address.query.toString(), change, view],
  )

  if (error && !view) return error.code === 'not-ready' ? <Waiting why={error.message} retry={reload} /> : <Failed error={error} retry={reload} />
  if (!view) return <Loading what="the map" />
  const scope = scopeQuery(address.query)
  return (
    <div className={`map-page${selection ? ' with-panel' : ''}`}>
      <Toolbar view={view} query={address.query} onChange={change} onFind={find} />
      {view.boxes.length === 0 ? <Nothing view={view} onAll={() => change({ since: undefined, until: undefined, focus: undefined })} /> : isMatrix(address.query) ? <Matrix view={view} selection={selection} onSelect={select} judged={address.query.has('draft')} footer={<Drawn view={view} loading={loading} />} /> : <Canvas view={view} selection={selection} onSelect={select} onToggle={toggle} trace={selection === null ? null : trace} judged={address.query.has('draft')} shade={shadeOf(address.query)} footer={<Drawn view={view} loading={loading} />} seek={seek} />}
      {error ? <p className="toast" role="alert">{error.message}</p> : null}
      {selection === null ? null : (
        <aside className="panel" aria-label="Details" key={JSON.stringify(selection)}>
          {'box' in selection ? (
            <NodePanel id={selection.box} scope={scope} view={view} onSelect={select} onFind={find} onFocus={(id) => change({ focus: id })} trace={trace} onTrace={setTrace} />
          ) : (
            <LinkPanel from={selection.from} to={selection.to} scope={{ ...scope, ...draftOf(address.query) }} onSelect={select} />
          )}
        </aside>
      )}
    </div>
  )
}

function selectionOf(query: URLSearchParams): Selection {
  const box = query.get('box')
  if (box) return { box }
  const [from, to] = query.getAll('link')
  return from && to ? { from, to } : null
}

function selectionChange(s: Selection) {
  if (s === null) return { box: undefined, link: undefined }
  return 'box' in s ? { box: s.box, link: undefined } : { box: undefined, link: [s.from, s.to] }
}

/** The store is not ready, or has seen no traffic: what to do. */
function Waiting({ why, retry }: { why: string; retry: () => void }) {
  return (
    <Empty title="No map yet">
      <p>{why}</p>
      <HowToBegin />
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </Empty>
  )
}

function HowToBegin() {
  return (
    <>
      <p>Read a capture, or point a router’s NetFlow at this machine:</p>
      <pre>
        bulkhead import capture.pcap{'\n'}bulkhead sense --listen udp://:2055
      </pre>
      <p>The map appears here by itself.</p>
    </>
  )
}

function Nothing({ view, onAll }: { view: View; onAll: () => void }) {
  if (view.count.nodes > 0) {
    return (
      <Empty title="Nothing in this view">
        <p>The map has {view.count.nodes} nodes, but none that this filter lets through.</p>
        <button type="button" className="button" onClick={onAll}>
          Show everything
        </button>
      </Empty>
    )
  }
  return (
    <Empty title="No traffic recorded yet">
      <HowToBegin />
    </Empty>
  )
}
