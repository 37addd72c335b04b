// swift-tools-version: 6.2
import PackageDescription

// The vector instructions of the CPU, or of what INKFLOW_MARCH names, for every target: a helper inlined into a target
// that is built without FMA would call `fmaf()` once per lane.
#if arch(x86_64)
  let cpu = ["-march=\(Context.environment["INKFLOW_MARCH"] ?? "native")"]
#else
  let cpu = ["-mcpu=native"]
#endif

let swift: [SwiftSetting] = [
  .unsafeFlags(cpu.flatMap { ["-Xcc", $0] }),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
]

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: swift)
}

let libraries = [
  "Files", "Kernels", "Statistics", "Flow", "Network", "Imagery", "Sampling", "Training", "Evaluation",
]

// For `make docs` alone: who builds or uses the package needn't fetch it.
let documentation: [Package.Dependency] =
  Context.environment["INKFLOW_DOCS"] == nil
  ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0")]

let package = Package(
  name: "inkflow",
  // `Span`, `InlineArray` and `Synchronization` are in the system's library from here on.
  platforms: [.macOS(.v26)],
  products: [.executable(name: "inkflow", targets: ["inkflow"])]
    + libraries.map { .library(name: $0, targets: [$0]) },
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ] + documentation,
  targets: [
    .systemLibrary(
      name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"]), .brew(["libpng"])]),
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .target(name: "CVector", cSettings: [.unsafeFlags(cpu)]),
    // Opens libturbojpeg when the first JPEG is met: neither the build nor anything else needs it.
    .target(name: "CTurboJPEG", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .target(name: "Files", dependencies: ["CZlib"], swiftSettings: swift),
    .target(name: "Kernels", dependencies: ["CVector"], swiftSettings: swift),
    .target(name: "Network", dependencies: ["Kernels", "Files"], swiftSettings: swift),
    .target(name: "Statistics", swiftSettings: swift),
    .target(name: "Flow", dependencies: ["Statistics"], swiftSettings: swift),
    .target(
      name: "Imagery", dependencies: ["Kernels", "Files", "CPNG", "CZlib", "CTurboJPEG"],
      swiftSettings: swift),
    .target(
      name: "Sampling", dependencies: ["Files", "Kernels", "Network", "Flow", "Imagery"], swiftSettings: swift
    ),
    .target(
      name: "Training",
      dependencies: ["Kernels", "Files", "Network", "Flow", "Statistics", "Imagery", "Sampling"],
      swiftSettings: swift),
    .target(
      name: "Evaluation",
      dependencies: ["Kernels", "Files", "Network", "Flow", "Statistics", "Imagery", "Sampling", "Training"],
      swiftSettings: swift),
    .executableTarget(
      name: "inkflow",
      dependencies: [
        "Files", "Kernels", "Imagery", "Sampling", "Training", "Evaluation", "Network", "Flow", "Statistics",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: swift),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    .target(name: "TestSupport", dependencies: ["Flow"], path: "Tests/TestSupport", swiftSettings: swift),
    tests("KernelsTests", ["Kernels"]),
    tests("NetworkTests", ["Sampling", "Network", "Kernels", "Files"], resources: [.copy("Fixtures")]),
    tests("StatisticsTests", ["Statistics", "TestSupport"]),
    tests("FlowTests", ["Flow", "Statistics", "TestSupport"]),
    tests("ImageryTests", ["Imagery", "Files"]),
    tests(
      "TrainingTests",
      [
        "Training", "Sampling", "Imagery", "Network", "Flow", "Kernels", "Files", "AllocationCounter",
        "TestSupport",
      ],
      resources: [.copy("Fixtures")]),
    tests(
      "EvaluationTests",
      ["Evaluation", "Training", "Sampling", "Imagery", "Network", "Kernels", "TestSupport"]),
    tests("CommandTests", ["inkflow", "Training", "Sampling", "Imagery", "Network", "Kernels"]),
  ]
)
