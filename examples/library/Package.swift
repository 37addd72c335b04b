// swift-tools-version: 6.2
import PackageDescription

// A program of one's own on Inkflow's libraries: `swift run -c release --package-path examples/library`.
// Elsewhere the dependency is `.package(url: …, from: …)`.
let package = Package(
  name: "library-example",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "inkflow", path: "../..")],
  targets: [
    .executableTarget(
      name: "Example",
      dependencies: ["Files", "Flow", "Imagery", "Sampling", "Training"].map {
        .product(name: $0, package: "inkflow")
      })
  ]
)
