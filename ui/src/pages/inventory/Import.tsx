import { useState, type DragEvent } from 'react'
import { post, wordsOf } from '../../api/client'
import type { InventoryImport, InventoryPlan } from '../../api/types'
import { DiffLines } from '../../parts/DiffLines'
import { many } from '../../words'

/** Reads a file, shows what it would change, and only then applies it. */
export function Import({ formats, version, onDone }: { formats: readonly string[]; version: number; onDone: () => void }) {
  const [file, setFile] = useState<InventoryImport | null>(null)
  const [plan, setPlan] = useState<InventoryPlan | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [done, setDone] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  const look = async (next: InventoryImport) => {
    setFile(next)
    setPlan(null)
    setProblem(null)
    setDone(null)
    setBusy(true)
    try {
      setPlan(await post('/api/v1/inventory/plan', next))
    } catch (cause) {
      setProblem(wordsOf(cause))
    } finally {
      setBusy(false)
    }
  }
  const choose = async (chosen: File | undefined) => {
    if (chosen) await look({ file: chosen.name, data: await chosen.text(), merge: file?.merge ?? version > 0, format: file?.format ?? '' })
  }
  const apply = async () => {
    if (!file || !plan) return
    setBusy(true)
    try {
      const answer = await post('/api/v1/inventory', { ...file, base: plan.base })
      setDone(`${file.file} is imported as version ${answer.version}. The map follows in a moment.`)
      setFile(null)
      setPlan(null)
      onDone()
    } catch (cause) {
      setProblem(wordsOf(cause))
    } finally {
      setBusy(false)
    }
  }
  return (
    <section className="card import">
      <Drop onFile={(f) => void choose(f)} />
      <div className="actions">
        <label className="switch">
          <input type="checkbox" disabled={!file} checked={file?.merge ?? version > 0} onChange={(e) => file && void look({ ...file, merge: e.target.checked })} />
          <span>Keep what is there, add what the file has</span>
        </label>
        <label className="pick">
          <span>Format</span>
          <select disabled={!file} value={file?.format ?? ''} onChange={(e) => file && void look({ ...file, format: e.target.value })}>
            <option value="">guess from name and content</option>
            {formats.map((f) => (
              <option key={f}>{f}</option>
            ))}
          </select>
        </label>
      </div>
      {done ? (
        <p role="status" className="good">
          {done}
        </p>
      ) : null}
      {problem ? <Refused file={file?.file ?? ''} problem={problem} /> : null}
      {busy && !plan ? <p role="status">Reading {file?.file}…</p> : null}
      {plan && file ? (
        <>
          <h2>
            What {file.file} would change <em>{plan.total === 0 ? 'nothing' : many(plan.total, 'line')}</em>
          </h2>
          {plan.total === 0 ? <p className="note">The inventory says all of this already.</p> : <DiffLines lines={plan.lines} total={plan.total} />}
          <div className="actions">
            <button type="button" className="button primary" disabled={busy || plan.total === 0} onClick={() => void apply()}>
              Apply: {many(plan.workloads, 'workload')} afterwards
            </button>
            <button type="button" className="button" onClick={() => setPlan(null)}>
              Discard
            </button>
          </div>
        </>
      ) : null}
    </section>
  )
}

/** The whole file is refused when a row is bad; every mistake gets its line. */
function Refused({ file, problem }: { file: string; problem: string }) {
  return (
    <div role="alert" className="refused">
      <strong>{file} was not imported; nothing has changed.</strong>
      <ul className="mono">
        {problem.split('\n').map((line, i) => (
          <li key={i}>{line}</li>
        ))}
      </ul>
    </div>
  )
}

function Drop({ onFile }: { onFile: (f: File | undefined) => void }) {
  const [over, setOver] = useState(false)
  const drop = (e: DragEvent) => {
    e.preventDefault()
    setOver(false)
    onFile(e.dataTransfer.files[0])
  }
  return (
    <label
      className={`drop${over ? ' over' : ''}`}
      onDragOver={(e) => {
        e.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <input
        type="file"
        onChange={(e) => {
          onFile(e.target.files?.[0])
          e.target.value = ''
        }}
      />
      <strong>Choose a file, or drop it here</strong>
      <span className="note">CSV, YAML, JSON, DHCP leases, hosts file, kubectl or cloud output. What it would change is shown first.</span>
    </label>
  )
}
