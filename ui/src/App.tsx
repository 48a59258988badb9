import { get } from './api/client'
import { LiveProvider } from './api/events'
import { useResource } from './api/useResource'
import { ChangesPage } from './pages/changes/ChangesPage'
import { HostsPage } from './pages/hosts/HostsPage'
import { InventoryPage } from './pages/inventory/InventoryPage'
import { LabelsPage } from './pages/labels/LabelsPage'
import { MapPage } from './pages/map/MapPage'
import { NewsPage } from './pages/news/NewsPage'
import { RulesPage } from './pages/rules/RulesPage'
import { SimulationPage } from './pages/simulation/SimulationPage'
import { StatusPage } from './pages/status/StatusPage'
import { ViolationsPage } from './pages/violations/ViolationsPage'
import { Failed, Loading } from './parts/States'
import { Login } from './shell/Login'
import { Shell } from './shell/Shell'
import { useAddress, type PageName } from './url'

const pages: Readonly<Record<PageName, () => React.JSX.Element>> = {
  map: MapPage,
  news: NewsPage,
  inventory: InventoryPage,
  labels: LabelsPage,
  rules: RulesPage,
  simulation: SimulationPage,
  changes: ChangesPage,
  violations: ViolationsPage,
  hosts: HostsPage,
  status: StatusPage,
}

export function App() {
  const { data: session, error, reload } = useResource('session', (signal) => get('/api/v1/session', {}, signal))
  const [address] = useAddress()
  if (error) return <Failed error={error} retry={reload} />
  if (!session) return <Loading what="the session" />
  if (session.required && !session.loggedIn) return <Login onDone={reload} />
  const Page = pages[address.page]
  return (
    <LiveProvider>
      <Shell page={address.page}>
        <Page />
      </Shell>
    </LiveProvider>
  )
}
