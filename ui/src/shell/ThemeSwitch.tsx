import { useEffect, useState } from 'react'

type Theme = 'system' | 'light' | 'dark'

const next: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' }
const signs: Readonly<Record<Theme, string>> = { system: '◐', light: '☀', dark: '☾' }
const key = 'bulkhead-theme'

function stored(): Theme {
  const v = localStorage.getItem(key)
  return v === 'light' || v === 'dark' ? v : 'system'
}

/** Light, dark, or what the system says; remembered in this browser. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(stored)
  useEffect(() => {
    if (theme === 'system') {
      delete document.documentElement.dataset['theme']
      localStorage.removeItem(key)
    } else {
      document.documentElement.dataset['theme'] = theme
      localStorage.setItem(key, theme)
    }
  }, [theme])
  return (
    <button type="button" className="theme" onClick={() => setTheme(next[theme])} aria-label={`Colours: ${theme}. Change.`} title={`Colours: ${theme}`}>
      {signs[theme]}
    </button>
  )
}
