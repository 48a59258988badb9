import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The built files are embedded in the binary and served under a strict content
// policy: nothing inline, nothing from elsewhere.
export default defineConfig({
  plugins: [react()],
  build: { assetsInlineLimit: 0, emptyOutDir: true, modulePreload: { polyfill: false }, sourcemap: false, target: 'es2022' },
  server: { proxy: { '/api': 'http://127.0.0.1:8090' } },
})
