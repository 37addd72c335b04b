import Foundation

// Eight steps on the built-in strokes, then a sheet of four pictures, in a directory that must not hold a run yet.
let directory = CommandLine.arguments.dropFirst().first ?? NSTemporaryDirectory() + UUID().uuidString
let flow = try learn("synthetic", steps: 8, into: directory)
try generate(from: directory, to: directory + "/sheet.png")
print("drew \(directory)/sheet.png")
print(describeMissingModel(directory + "/nothing"))
print("a cancelled task stopped: \(await isCancelled(flow))")
print("a quarter turn of (1, 0): \(try quarterTurn(of: [1, 0]))")
