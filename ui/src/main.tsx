import '@fontsource-variable/inter/wght.css'
import './styles/colours.css'
import './styles/base.css'
import './styles/map.css'
import './styles/boxes.css'
import './styles/panel.css'
import './styles/pages.css'
import './styles/reports.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App'

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
