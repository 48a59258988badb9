import { createContext, useContext, useEffect, useState, type ReactNode } from 'react'
import type { Job } from './types'

interface Live {
  /** Grows when the server says that what it knows has changed. */
  revision: number
  /** Jobs heard of since the page was opened, newest news of each. */
  jobs: readonly Job[]
}

const LiveContext = createContext<Live>({ revision: 0, jobs: [] })

/** Listens to the server's events for everything inside. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const [live, setLive] = useState<Live>({ revision: 0, jobs: [] })
  useEffect(() => {
    const source = new EventSource('/api/v1/events')
    const changed = () => setLive((l) => ({ ...l, revision: l.revision + 1 }))
    source.addEventListener('map', changed)
    source.addEventListener('document', changed)
    source.addEventListener('progress', (event: MessageEvent<string>) => {
      const job = JSON.parse(event.data) as Job
      setLive((l) => ({ ...l, jobs: [job, ...l.jobs.filter((j) => j.id !== job.id)] }))
    })
    return () => source.close()
  }, [])
  return <LiveContext.Provider value={live}>{children}</LiveContext.Provider>
}

export function useRevision(): number {
  return useContext(LiveContext).revision
}

export function useJobs(): readonly Job[] {
  return useContext(LiveContext).jobs
}
