// Reads PowerShell with a grammar of the whole language (tree-sitter-powershell).
// In: a JSON list of scripts. Out: for each, the places that are no PowerShell, and
// the commands it would run, in order.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Language, Parser } from 'web-tree-sitter'

await Parser.init()
const parser = new Parser()
const grammar = new URL('../node_modules/tree-sitter-powershell/tree-sitter-powershell.wasm', import.meta.url)
parser.setLanguage(await Language.load(fileURLToPath(grammar)))

function read(script) {
  const tree = parser.parse(script)
  const out = { errors: [], commands: [] }
  const walk = (node) => {
    if (node.isError || node.isMissing) out.errors.push(`line ${node.startPosition.row + 1}: ${node.text.slice(0, 200)}`)
    if (node.type === 'command_name') out.commands.push(node.text)
    node.children.forEach(walk)
  }
  walk(tree.rootNode)
  tree.delete()
  return out
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(read)))
