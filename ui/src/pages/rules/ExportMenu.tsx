import { useRef, useState } from 'react'
import { get, getText, queryString } from '../../api/client'
import { useResource } from '../../api/useResource'
import { many } from '../../words'

/** Writes the recommendation in another form; says what that form cannot say. */
export function ExportMenu({ scope }: { scope: { level: string; since?: string } }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [preview, setPreview] = useState<{ name: string; text: string; losses: number } | null>(null)
  const { data } = useResource('exports', (signal) => get('/api/v1/exports', {}, signal))
  const formats = data?.formats ?? []
  const show = (name: string) =>
    getText(`/api/v1/exports/${encodeURIComponent(name)}`, scope).then(
      ({ text, losses }) => setPreview({ name, text, losses }),
      (cause: unknown) => setPreview({ name, text: cause instanceof Error ? cause.message : String(cause), losses: 0 }),
    )
  return (
    <>
      <button type="button" className="button" onClick={() => dialog.current?.showModal()}>
        Export…
      </button>
      <dialog ref={dialog} className="export" aria-label="Export">
        <h2>Export these rules</h2>
        <div className="formats">
          <ul>
            <li>
              <a href={`/api/v1/recommendation/policy${queryString(scope)}`} download={`bulkhead-${scope.level}.yaml`}>
                Policy documents (YAML)
              </a>
            </li>
            {formats.map((f) => (
              <li key={f.name}>
                <a href={`/api/v1/exports/${encodeURIComponent(f.name)}${queryString(scope)}`} download>
                  {f.title}
                </a>
                <button type="button" className="button plain" onClick={() => void show(f.name)}>
                  Preview
                </button>
              </li>
            ))}
          </ul>
          {preview ? (
            <figure>
              <figcaption>
                {preview.name}
                {preview.losses > 0 ? <strong className="warn"> · {many(preview.losses, 'thing')} it cannot say; listed in the file</strong> : null}
              </figcaption>
              <pre tabIndex={0}>{preview.text.slice(0, 20000)}</pre>
            </figure>
          ) : null}
        </div>
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </dialog>
    </>
  )
}
