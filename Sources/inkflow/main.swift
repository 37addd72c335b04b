print("inkflow")
